import { mkdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { EngineStartError } from '../../errors.ts'

/** Pages kept in memory, in KiB: the due index and the newest rows of a million jobs fit well within. */
const CACHE_KIB = 32_000
/**
 * The write-ahead log is copied into the file within the commit that gives it so many pages, 128 MiB, where the thread that copies it beside
 * the commits does not keep up (see Checkpoints). A batch of 500 runs writes some 1,500, many of them again and again: at SQLite's own 1,000
 * every batch would be followed by a copy, which made firing half as fast.
 */
const CHECKPOINT_PAGES = 32_000
/** Nobody else writes; a tool that does so for a moment may hold up the loop for so long, not longer. */
const BUSY_TIMEOUT = 100

/** The absolute path of a `file:` URL. `file:./a.db` and `file:a.db` start at the working folder. */
export function databaseFile(databaseUrl: string): string {
  const path = databaseUrl.startsWith('file:///') ? fileURLToPath(databaseUrl) : databaseUrl.replace(/^file:/, '')
  if (path === '' || path.startsWith(':memory:') || path.includes('?')) {
    throw new EngineStartError(
      'URL',
      `DATABASE_URL is ${JSON.stringify(databaseUrl)}; accepted: file: and the path of a file, such as file:./data/orrery.db, without parameters.`,
    )
  }
  return resolve(path)
}

/**
 * Makes this process the only one that holds the file, until it ends, however it ends: the operating system drops the lock with the
 * process, so that there is nothing stale to clean up. The lock lies on a file beside, because the database itself is read by
 * Prisma's connection too. Answers the file's true path and the release; throws EngineStartError IN_USE or NOT_OURS.
 */
export function claimFile(file: string): { readonly file: string; readonly release: () => void } {
  let lock: Database.Database | null = null
  try {
    mkdirSync(dirname(file), { recursive: true })
    // Two paths that lead to one file must meet at one lock.
    const real = realPath(file)
    lock = new Database(`${real}.lock`, { timeout: 0 })
    lock.pragma('journal_mode = MEMORY')
    lock.exec('BEGIN EXCLUSIVE')
    const held = lock
    return { file: real, release: () => held.close() }
  } catch (error) {
    lock?.close()
    const code = (error as { code?: unknown }).code
    if (typeof code === 'string' && code.startsWith('SQLITE_BUSY')) {
      throw new EngineStartError(
        'IN_USE',
        `Another process holds the database ${file}. The embedded engine has one process a file: stop the other one, or give this one a DATABASE_URL of its own.`,
      )
    }
    throw new EngineStartError('NOT_OURS', `The database ${file} cannot be opened: ${(error as Error).message}`, { cause: error })
  }
}

function realPath(file: string): string {
  try {
    return realpathSync(file)
  } catch {
    return join(realpathSync(dirname(file)), basename(file))
  }
}

/** The one connection that writes. What it has committed survives a power cut. */
export function openWriter(file: string): Database.Database {
  try {
    const db = new Database(file, { timeout: BUSY_TIMEOUT })
    const mode = db.pragma('journal_mode = WAL', { simple: true })
    if (mode !== 'wal') throw new Error(`its folder does not allow write-ahead logging (journal mode ${mode})`)
    db.pragma('synchronous = FULL')
    db.pragma('foreign_keys = ON')
    db.pragma(`cache_size = -${CACHE_KIB}`)
    db.pragma('temp_store = MEMORY')
    db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
    // A write-ahead log that once grew (a long read, a huge batch) is cut back at the next checkpoint.
    db.pragma(`journal_size_limit = ${64 * 1024 * 1024}`)
    return db
  } catch (error) {
    throw new EngineStartError('NOT_OURS', `The database ${file} cannot be opened: ${(error as Error).message}`, { cause: error })
  }
}
