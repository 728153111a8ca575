import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { temporaryDirectory } from '../test/support/temporary.ts'

const SCHEMA = `
  CREATE TABLE position (job TEXT PRIMARY KEY, next INTEGER, last_run TEXT);
  CREATE INDEX position_next ON position (next);
  CREATE TABLE run (id TEXT PRIMARY KEY, job TEXT, status TEXT, due INTEGER, started INTEGER, finished INTEGER, cursor INTEGER, payload TEXT);
  CREATE INDEX run_job ON run (job, id);
  CREATE INDEX run_due ON run (due, id);
  CREATE UNIQUE INDEX run_cursor ON run (cursor);`

/**
 * The floor: prepared statements on better-sqlite3 and nothing else. Plan and begin in one durable commit, settle in another, three
 * indexes on runs; no policies, no figures, no fences, no history of attempts. Answers seconds and the CPU of this process.
 */
export async function bareSqlite({
  jobs,
  runs,
  batch,
}: {
  readonly jobs: number
  readonly runs: number
  readonly batch: number
}): Promise<{ seconds: number; cpu: number }> {
  const folder = temporaryDirectory()
  const db = new Database(join(folder, 'bare.db'))
  for (const pragma of ['journal_mode = WAL', 'synchronous = FULL', 'cache_size = -32000']) db.pragma(pragma)
  db.exec(SCHEMA)
  const ids = Array.from({ length: jobs }, (_, i) => `job_${String(i).padStart(26, '0')}`)
  const create = db.prepare('INSERT INTO position VALUES (?, -1, NULL)')
  db.transaction(() => {
    for (const id of ids) create.run(id)
  })()

  const move = db.prepare('UPDATE position SET next = ?, last_run = ? WHERE job = ? AND next = ?')
  const insert = db.prepare(`INSERT INTO run VALUES (?, ?, 'RUNNING', ?, ?, NULL, ?, ?)`)
  const finish = db.prepare(`UPDATE run SET status = 'SUCCEEDED', finished = ?, cursor = ? WHERE id = ? AND status = 'RUNNING'`)
  let cursor = 0
  let number = 0
  const cpuBefore = process.cpuUsage()
  const began = performance.now()
  for (let lap = 0; number < runs; lap++) {
    for (let from = 0; from < ids.length && number < runs; from += batch) {
      const part = ids.slice(from, from + batch).map((job) => ({ job, run: `run_${String(++number).padStart(26, '0')}` }))
      const plan = db.transaction(() => {
        for (const { job, run } of part) {
          move.run(lap, run, job, lap - 1)
          insert.run(run, job, lap, lap, ++cursor, '{"hello":"world"}')
        }
      })
      plan.immediate()
      await turn()
      const settle = db.transaction(() => {
        for (const { run } of part) finish.run(lap, ++cursor, run)
      })
      settle.immediate()
      await turn()
    }
  }
  const seconds = (performance.now() - began) / 1_000
  const { user, system } = process.cpuUsage(cpuBefore)
  db.close()
  rmSync(folder, { recursive: true, force: true })
  return { seconds, cpu: user + system }
}
