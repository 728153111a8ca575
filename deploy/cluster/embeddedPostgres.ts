import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Guard, startGuard } from './guard.ts'
import { freePort } from './ports.ts'
import { type Binaries, checkReach, idsOf, postgresUser, preparedBinaries, type User } from './postgresBinaries.ts'
import { descendants, isRunning, signal } from './processes.ts'

const SUPERUSER = 'orrery'
const READY = 'database system is ready to accept connections'
const PORT_TAKEN = /could not bind|Address already in use/
const START_TIMEOUT = 60_000
const STOP_TIMEOUT = 60_000
const KEPT_LOG = 20_000
const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const

/** As pg_ctl names them: "fast" rolls back and disconnects, "immediate" leaves the rest to the recovery of the next start, "kill" is a crash. */
export type StopMode = keyof typeof SIGNALS

export interface EmbeddedPostgresOptions {
  /** Absolute, and the server's own: holds its data and, where needed, its binaries. Made where it is not there yet. */
  readonly folder: string
  /** Whether the folder is removed when this process ends in whatever way. Otherwise the server is only shut down, and starts from it again. */
  readonly temporary: boolean
  /** Of the superuser "orrery"; taken when the folder is made. */
  readonly password: string
  /** A free one where left out. */
  readonly port?: number
  /** Beyond the server's defaults. */
  readonly settings?: Readonly<Record<string, string>>
  /** By which text without a collation of its own is ordered. By bytes where left out. */
  readonly icuLocale?: string
}

/** Starts a server on 127.0.0.1 from a folder, which is made and initialised first where it is new. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { folder, temporary } = options
  mkdirSync(folder, { recursive: true })
  const user = postgresUser(folder)
  const guard = startGuard(temporary ? { signal: 'QUIT', patience: 8, folder } : { signal: 'INT', patience: 60 })
  try {
    if (user !== null) chownSync(folder, user.uid, user.gid)
    checkReach(user, folder)
    const binaries = preparedBinaries(user, () => folder)
    if (!existsSync(join(folder, 'data'))) await initialise(binaries, user, options)
    const server = new EmbeddedPostgres(binaries, user, options, guard)
    await server.start()
    return server
  } catch (error) {
    if (temporary) rmSync(folder, { recursive: true, force: true })
    guard.dismiss()
    throw error
  }
}

async function initialise({ initdb }: Binaries, user: User | null, options: EmbeddedPostgresOptions): Promise<void> {
  const { folder, password, icuLocale } = options
  const [unfinished, passwordFile] = [join(folder, 'unfinished'), join(folder, 'password.new')]
  const locale = icuLocale === undefined ? [] : ['--locale-provider=icu', `--icu-locale=${icuLocale}`]
  try {
    // The folder gets its name when it is whole: a start that dies in here is repeated from the beginning.
    rmSync(unfinished, { recursive: true, force: true })
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
    if (user !== null) chownSync(passwordFile, user.uid, user.gid)
    // The password is too long to be guessed: stretching it would only make every connection dearer.
    const login = ['--set=scram_iterations=1', `--username=${SUPERUSER}`, '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
    const text = ['--encoding=UTF8', '--locale=C', ...locale]
    await promisify(execFile)(initdb, [`--pgdata=${unfinished}`, ...login, ...text, '--no-sync', '--no-instructions'], {
      ...idsOf(user),
      cwd: folder,
    })
    renameSync(unfinished, join(folder, 'data'))
  } finally {
    rmSync(passwordFile, { force: true })
  }
}

/** A Postgres server that belongs to this process and does not outlive it. */
export class EmbeddedPostgres {
  readonly #binaries: Binaries
  readonly #user: User | null
  readonly #options: EmbeddedPostgresOptions
  readonly #guard: Guard
  #port: number | null
  #child: ChildProcess | null = null
  #ended = Promise.resolve()
  #frozen: readonly number[] = []
  #log = ''

  constructor(binaries: Binaries, user: User | null, options: EmbeddedPostgresOptions, guard: Guard) {
    this.#binaries = binaries
    this.#user = user
    this.#options = options
    this.#guard = guard
    this.#port = options.port ?? null
  }

  get port(): number {
    if (this.#port === null) throw new Error('The server has no port before its first start.')
    return this.#port
  }

  /** `postgresql://orrery:…@127.0.0.1:12345/DATABASE` */
  url(database: string): string {
    return `postgresql://${SUPERUSER}:${encodeURIComponent(this.#options.password)}@127.0.0.1:${this.port}/${database}`
  }

  /** The end of what the server said. */
  get log(): string {
    return this.#log
  }

  /** Resolves when the server runs no more, whether somebody stopped it or not. */
  get ended(): Promise<void> {
    return this.#ended
  }

  /** Starts it, also after it was stopped: on the same port and data. */
  async start(): Promise<void> {
    if (this.#child !== null) throw new Error('The server runs already.')
    for (let attempt = 1; ; attempt++) {
      const port = this.#port ?? (await freePort())
      this.#log = ''
      if (await this.#run(port)) {
        this.#port = port
        return
      }
      if (this.#port !== null || attempt === 5 || !PORT_TAKEN.test(this.#log))
        throw new Error(`Postgres did not start on port ${port}:\n${this.#log.trim()}`)
    }
  }

  /** Ends the server and waits until nothing of it runs. */
  async stop(mode: StopMode): Promise<void> {
    const pid = this.#child?.pid
    if (pid === undefined) return
    const processes = [pid, ...(mode === 'kill' ? descendants(pid) : [])]
    // The server first: it would take the death of a child for a crash and start anew.
    for (const each of processes) signal(each, SIGNALS[mode])
    this.thaw()
    await within(STOP_TIMEOUT, 'the end of Postgres', this.#ended)
    while (processes.some(isRunning)) await delay(5)
  }

  /** Halts all of its processes where they are (Linux only): connections stay open, and nothing answers. */
  freeze(): void {
    const pid = this.#child?.pid
    if (process.platform !== 'linux' || pid === undefined) throw new Error('Only a server that runs, on Linux, can be frozen.')
    if (this.#frozen.length === 0) process.once('exit', this.thaw)
    // The server first, so that it makes no more of them.
    signal(pid, 'SIGSTOP')
    this.#frozen = [pid, ...descendants(pid)]
    for (const each of this.#frozen) signal(each, 'SIGSTOP')
  }

  /** Lets a frozen server go on. Also at the end of this process: what is halted hears of no end. */
  readonly thaw = (): void => {
    process.removeListener('exit', this.thaw)
    for (const each of this.#frozen) signal(each, 'SIGCONT')
    this.#frozen = []
  }

  /** Stops a temporary server and removes its folder. */
  async remove(): Promise<void> {
    const { folder, temporary } = this.#options
    if (!temporary) throw new Error(`The folder ${folder} is meant to be kept.`)
    await this.stop('immediate')
    this.#releaseSharedMemory()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    this.#guard.dismiss()
  }

  /** Whether it got ready. Otherwise it has ended, and the log says why. */
  async #run(port: number): Promise<boolean> {
    const { folder, settings = {} } = this.#options
    const fixed = { listen_addresses: '127.0.0.1', unix_socket_directories: '', log_min_messages: 'log', lc_messages: 'C' }
    const flags = Object.entries({ ...fixed, ...settings }).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const child = spawn(this.#binaries.postgres, ['-D', join(folder, 'data'), '-p', String(port), ...flags], {
      ...idsOf(this.#user),
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      // Out of reach of what a terminal sends to the whole group: who started it ends it, when nobody needs it any more.
      detached: true,
    })
    this.#child = child
    this.#guard.watch(child.pid ?? null)
    // Only waiting keeps this process alive.
    child.unref()
    const output = child.stderr as Socket
    output.unref()
    const ready = new Promise<boolean>((resolve) => {
      output.setEncoding('utf8').on('data', (text: string) => {
        this.#log = (this.#log + text).slice(-KEPT_LOG)
        if (this.#log.includes(READY)) resolve(true)
      })
    })
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#log += error.message
        resolve()
      })
      child.once('close', () => resolve())
    })
    const ended = this.#ended.then(() => {
      this.#child = null
      this.#guard.watch(null)
      return false
    })
    return within(START_TIMEOUT, 'the start of Postgres', Promise.race([ready, ended]))
  }

  /** A server that was killed leaves a small System V segment, which only a restart would remove. */
  #releaseSharedMemory(): void {
    const lockFile = join(this.#options.folder, 'data/postmaster.pid')
    if (!existsSync(lockFile)) return
    const id = /^\s*\d+\s+(\d+)\s*$/m.exec(readFileSync(lockFile, 'utf8').split('\n')[6] ?? '')?.[1]
    if (id === undefined) return
    try {
      execFileSync('ipcrm', ['-m', id], { stdio: 'ignore' })
    } catch {
      // It is gone, or this system has no such command.
    }
  }
}

async function within<T>(timeout: number, what: string, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`${what} did not come within ${timeout} ms`)), timeout)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
