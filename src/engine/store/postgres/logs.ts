import { addLine, cutTail, type LineSize, MOST_CUT, mustBeCut, ROW_BYTES, type RunLog, readRunLog, shortened } from '../runLog.ts'
import type { NewLogLine, Store } from '../store.ts'
import { isDatabaseAway } from './availability.ts'
import { Batcher } from './batcher.ts'
import { columns, instant, instantText, integer, text, textArray } from './columns.ts'
import type { Database, Tx } from './database.ts'

type NumberedLine = NewLogLine & { readonly seq: number }

/** A line as it was given, and as it is written. */
interface Numbered {
  readonly line: NewLogLine
  readonly asNumbered: NumberedLine
}

const LINE = columns<NumberedLine>({
  runId: text((line) => line.runId),
  seq: integer((line) => line.seq),
  at: instant((line) => line.at),
  attempt: integer((line) => line.attempt),
  level: text((line) => line.level),
  message: text((line) => line.message),
  fields: text((line) => line.fields),
})

// A line refers to its run's row, so that row is locked in any case: here in the order in which everybody locks them, and strongly enough
// to be alone with the numbers of the run.
const HOLD_RUNS = 'SELECT id FROM "Run" WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE'
const LAST_NUMBERS = `SELECT id AS "runId", coalesce((SELECT max(seq) FROM "LogLine" l WHERE l."runId" = id), 0) AS "lastSeq" FROM unnest($1::text[]) AS id`
const SIZE = `octet_length(message) + coalesce(octet_length(fields), 0) + ${ROW_BYTES}`
const SIZES = `SELECT seq, ${SIZE} AS size FROM "LogLine" WHERE "runId" = $1 ORDER BY seq`
const TAIL = `SELECT seq, ${SIZE} AS size FROM "LogLine" WHERE "runId" = $1 AND seq > $2 ORDER BY seq LIMIT ${MOST_CUT}`
const INSERT = `INSERT INTO "LogLine" (${LINE.names}) SELECT ${LINE.names} FROM ${LINE.table('v')}`
const REMOVE = 'DELETE FROM "LogLine" WHERE "runId" = $1 AND seq > $2 AND seq <= $3'
const MARK = `INSERT INTO "LogLine" ("runId", seq, "at", attempt, level, message, fields) VALUES ($1, $2, $3::timestamptz, $4, 'WARN', $5, NULL)
  ON CONFLICT ("runId", seq) DO UPDATE SET "at" = excluded."at", attempt = excluded.attempt, level = excluded.level, message = excluded.message, fields = NULL`

const STORED = `SELECT v."runId", v.seq FROM ${LINE.table('v')}
  JOIN "LogLine" l ON l."runId" = v."runId" AND l.seq = v.seq AND l."at" = v."at" AND l.attempt = v.attempt AND l.message = v.message`

const REMEMBERED_RUNS = 10_000
/** Calls that share a transaction. */
const MOST_CALLS = 100

/**
 * Log lines of runs, numbered and capped (runLog.ts). Where the log of a run stands is remembered as of the last commit of this process,
 * and good as long as the newest number in the table is the one remembered: whoever else appended, a worker that was taken for dead or the
 * one that took over, has raised it. Nobody appends to the run between that look and the commit.
 *
 * Where the answer to a commit was lost its lines may stand there. Whoever tells them again gives the same objects, by which they are
 * known: each is looked for under the number that it was to get.
 */
export class Logs implements Pick<Store, 'appendLogs'> {
  readonly #runs = new Map<string, RunLog>()
  readonly #doubtful = new WeakMap<NewLogLine, NumberedLine>()
  readonly #batches: Batcher<readonly NewLogLine[], void>

  constructor(database: Database) {
    this.#batches = new Batcher({
      most: MOST_CALLS,
      // Lines keep the order of their calls.
      lanes: 1,
      perform: async (calls) => {
        const numbered: Numbered[] = []
        try {
          const logs = await database.transaction((tx) => this.#append(tx, calls.flat(), numbered))
          for (const [runId, log] of logs) this.#remember(runId, log)
        } catch (error) {
          if (isDatabaseAway(error)) for (const { line, asNumbered } of numbered) this.#doubtful.set(line, asNumbered)
          throw error
        }
        return Array.from<void>({ length: calls.length })
      },
    })
  }

  /** Whoever reads the logs of these runs is told after the commit. */
  readonly appendLogs = (lines: readonly NewLogLine[]): Promise<void> => (lines.length === 0 ? Promise.resolve() : this.#batches.add(lines))

  /** `numbered` gets the lines that are to be written, each with its number. */
  async #append(tx: Tx, lines: readonly NewLogLine[], numbered: Numbered[]): Promise<ReadonlyMap<string, RunLog>> {
    const logs = await this.#standing(tx, [...new Set(lines.map(({ runId }) => runId))])
    const stored = await this.#storedOf(tx, lines)
    numbered.length = 0
    const newest = new Map<string, NumberedLine>()
    for (const line of lines) {
      const log = logs.get(line.runId)
      if (log === undefined || stored.has(line)) continue
      const kept = { ...line, ...shortened(line) }
      const next = { ...kept, seq: addLine(log, kept) }
      numbered.push({ line, asNumbered: next })
      newest.set(line.runId, next)
    }
    if (numbered.length > 0) await tx.write(INSERT, LINE.values(numbered.map(({ asNumbered }) => asNumbered)))
    for (const [runId, line] of newest) {
      await cut(tx, line, logs.get(runId)!)
      tx.effects.logged.push(runId)
    }
    return logs
  }

  /** Those of the lines that were stored by a commit whose answer was lost. */
  async #storedOf(tx: Tx, lines: readonly NewLogLine[]): Promise<ReadonlySet<NewLogLine>> {
    const doubtful = lines.flatMap((line) => this.#doubtful.get(line) ?? [])
    if (doubtful.length === 0) return new Set()
    const rows = await tx.rows<{ runId: string; seq: number }>(STORED, LINE.values(doubtful))
    const found = new Set(rows.map(({ runId, seq }) => `${runId} ${seq}`))
    return new Set(
      lines.filter((line) => {
        const asNumbered = this.#doubtful.get(line)
        return asNumbered !== undefined && found.has(`${asNumbered.runId} ${asNumbered.seq}`)
      }),
    )
  }

  /** Where the logs of these runs stand, to be changed; those of runs that are gone are left out. */
  async #standing(tx: Tx, runIds: readonly string[]): Promise<Map<string, RunLog>> {
    const living = (await tx.rows<{ id: string }>(HOLD_RUNS, [textArray(runIds)])).map(({ id }) => id)
    const logs = new Map<string, RunLog>()
    if (living.length === 0) return logs
    // After the wait for the rows: what others appended until then is seen.
    for (const { runId, lastSeq } of await tx.rows<{ runId: string; lastSeq: number }>(LAST_NUMBERS, [textArray(living)])) {
      const known = this.#runs.get(runId)
      if (known?.lastSeq === lastSeq) logs.set(runId, { ...known })
      else logs.set(runId, readRunLog(lastSeq === 0 ? [] : await tx.rows<LineSize>(SIZES, [runId])))
    }
    return logs
  }

  #remember(runId: string, log: RunLog): void {
    if (!this.#runs.has(runId) && this.#runs.size >= REMEMBERED_RUNS) this.#runs.delete(this.#runs.keys().next().value!)
    this.#runs.set(runId, log)
  }
}

/** Removes the oldest lines of a tail that has outgrown its cap, and marks the place. */
async function cut(tx: Tx, { runId, at, attempt }: NumberedLine, log: RunLog): Promise<void> {
  while (mustBeCut(log)) {
    const { headEnd } = log
    const { upTo, message } = cutTail(log, await tx.rows<LineSize>(TAIL, [runId, headEnd]))
    await tx.write(REMOVE, [runId, headEnd, upTo])
    await tx.write(MARK, [runId, headEnd + 1, instantText(at), attempt, message])
  }
}
