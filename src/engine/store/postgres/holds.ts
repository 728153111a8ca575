import type { Instant } from '../../../domain/instant.ts'
import type { Hold, NewRun } from '../../../domain/run.ts'
import { bigint, columns, instantText, integer, text, textArray } from './columns.ts'
import type { Tx } from './database.ts'
import { type HeldPosition, holdKeys } from './locks.ts'

// Who waits for whom among runs: for others of their job (OVERLAP), and for a slot among those that share a concurrency key, over the whole
// system. At most the least `maxConcurrency` that any active run of a key asks for may go.
//
// A run that is held changes only under the locks of its job and of its key. Whoever has these needs no lock of its row: beginning an
// attempt, which takes rows alone, passes held runs by.

/** What a transaction is about to do to runs. */
export interface RunsInHand {
  /** Runs to be stored. */
  readonly adding?: readonly NewRun[]
  /** Runs that may end, by id. */
  readonly ending?: readonly string[]
  /** Jobs all of whose runs may end. */
  readonly endingAllOf?: readonly string[]
}

// The third part: where a run ends, one of its job that waits may go on to wait for its key.
const KEYS = `
  SELECT "concurrencyKey" AS key FROM "Run" WHERE id = ANY($1::text[]) AND "concurrencyKey" IS NOT NULL
  UNION
  SELECT "concurrencyKey" FROM "Run" WHERE "jobId" = ANY($2::text[]) AND "finishedAt" IS NULL AND "concurrencyKey" IS NOT NULL
  UNION
  SELECT "concurrencyKey" FROM "Run" WHERE "heldBy" = 'OVERLAP' AND "concurrencyKey" IS NOT NULL
    AND "jobId" = ANY(ARRAY(SELECT "jobId" FROM "Run" WHERE id = ANY($1::text[])))`
const KEYS_OF_HELD = `SELECT DISTINCT "concurrencyKey" AS key FROM "Run" WHERE "jobId" = ANY($1::text[]) AND "heldBy" = 'OVERLAP' AND "concurrencyKey" IS NOT NULL`

interface KeyRow {
  readonly key: string
}

/**
 * Holds all concurrency keys that a transaction may give or free slots of: call it once, with all that it will do, after the positions of
 * the jobs are held and before any row of a run is.
 */
export async function holdKeysOf(tx: Tx, { adding = [], ending = [], endingAllOf = [] }: RunsInHand): Promise<void> {
  const keys = new Set<string>()
  for (const { concurrencyKey } of adding) if (concurrencyKey !== null) keys.add(concurrencyKey)
  if (ending.length > 0 || endingAllOf.length > 0) {
    for (const { key } of await tx.rows<KeyRow>(KEYS, [textArray(ending), textArray(endingAllOf)])) keys.add(key)
  }
  await holdKeys(tx, keys)
}

/** The keys of runs that wait for others of these jobs, whose positions are held. */
export async function keysOfHeld(tx: Tx, jobIds: readonly string[]): Promise<readonly string[]> {
  if (jobIds.length === 0) return []
  return (await tx.rows<KeyRow>(KEYS_OF_HELD, [textArray(jobIds)])).map(({ key }) => key)
}

// ------------------------------------------------------------------ slots

interface AskedBound {
  readonly key: string
  /** The greatest bound that one of the runs to be stored asks for: nobody needs to know of more that go. */
  readonly most: number
}

const ASKED = columns<AskedBound>({ key: text((k) => k.key), most: integer((k) => k.most) })
const SLOTS = `SELECT k.key, asked.bound, going.count FROM ${ASKED.table('k')}
  CROSS JOIN LATERAL (SELECT min("maxConcurrency") AS bound FROM "Run" WHERE "concurrencyKey" = k.key AND "finishedAt" IS NULL) asked
  CROSS JOIN LATERAL (
    SELECT count(*) FROM (
      SELECT 1 FROM "Run" WHERE "concurrencyKey" = k.key AND "finishedAt" IS NULL AND "heldBy" IS NULL LIMIT greatest(k.most, asked.bound)
    ) seen
  ) going`

interface Shared {
  bound: number
  going: number
}

/** What is free of the keys of runs that are about to be stored, in their order. */
export class Slots {
  readonly #keys: ReadonlyMap<string, Shared>

  private constructor(keys: ReadonlyMap<string, Shared>) {
    this.#keys = keys
  }

  /** As the rows say, under the locks of the keys. */
  static async of(tx: Tx, runs: readonly NewRun[]): Promise<Slots> {
    const most = new Map<string, number>()
    for (const { concurrencyKey: key, maxConcurrency } of runs) {
      if (key !== null) most.set(key, Math.max(most.get(key) ?? 0, maxConcurrency ?? 0))
    }
    if (most.size === 0) return new Slots(new Map())
    const asked = [...most].map(([key, bound]) => ({ key, most: bound }))
    const rows = await tx.rows<{ key: string; bound: number | null; count: number }>(SLOTS, ASKED.values(asked))
    return new Slots(new Map(rows.map(({ key, bound, count }) => [key, { bound: bound ?? Number.POSITIVE_INFINITY, going: count }])))
  }

  /** What holds a run that is about to be stored; null: nothing, and it has taken a slot. */
  admit({ concurrencyKey, maxConcurrency, heldBy }: NewRun): Hold | null {
    const shared = concurrencyKey === null ? undefined : this.#keys.get(concurrencyKey)
    if (shared === undefined) return heldBy === 'OVERLAP' ? 'OVERLAP' : null
    if (maxConcurrency !== null) shared.bound = Math.min(shared.bound, maxConcurrency)
    // One that waits for others of its job takes no slot.
    if (heldBy === 'OVERLAP') return 'OVERLAP'
    if (shared.going >= shared.bound) return 'CONCURRENCY'
    shared.going += 1
    return null
  }
}

// ------------------------------------------------------------------ releases

/** Runs of these jobs and keys have ended in this transaction. */
export interface Ended<Job extends Pick<HeldPosition, 'jobId' | 'activeRuns'> = HeldPosition> {
  readonly jobs: Set<Job>
  readonly keys: Set<string>
}

interface HeldRun {
  readonly id: string
  readonly concurrencyKey: string | null
  readonly priority: number
  readonly dueAt: Instant
}

// A run that waits for its concurrency key has left the wait for its job behind: it counts as one that goes.
const NEXT_OF_JOBS = `SELECT next.* FROM unnest($1::text[]) AS j(id)
  CROSS JOIN LATERAL (
    SELECT id, "concurrencyKey", priority, "dueAt" FROM "Run" WHERE "jobId" = j.id AND "heldBy" = 'OVERLAP' ORDER BY "dueAt", id LIMIT 1
  ) next
  WHERE NOT EXISTS (SELECT 1 FROM "Run" WHERE "jobId" = j.id AND "finishedAt" IS NULL AND "heldBy" IS DISTINCT FROM 'OVERLAP')`

const NEXT_OF_KEYS = `SELECT next.* FROM unnest($1::text[]) AS k(key)
  CROSS JOIN LATERAL (SELECT min("maxConcurrency") AS bound FROM "Run" WHERE "concurrencyKey" = k.key AND "finishedAt" IS NULL) asked
  CROSS JOIN LATERAL (
    SELECT count(*) FROM (
      SELECT 1 FROM "Run" WHERE "concurrencyKey" = k.key AND "finishedAt" IS NULL AND "heldBy" IS NULL LIMIT coalesce(asked.bound, 0)
    ) seen
  ) going
  CROSS JOIN LATERAL (
    SELECT id, "concurrencyKey", priority, "dueAt" FROM "Run"
    WHERE "concurrencyKey" = k.key AND "finishedAt" IS NULL AND "heldBy" = 'CONCURRENCY'
    ORDER BY priority DESC, "dueAt", id LIMIT asked.bound - going.count
  ) next`

interface Holding {
  readonly id: string
  readonly heldBy: Hold | null
  readonly cursor: number
}

const HOLDING = columns<Holding>({ id: text((h) => h.id), heldBy: text((h) => h.heldBy), cursor: bigint((h) => h.cursor) })
const HOLD = `UPDATE "Run" r SET "heldBy" = v."heldBy", cursor = v.cursor, "changedAt" = $${HOLDING.count + 1}::timestamptz
  FROM ${HOLDING.table('v')} WHERE r.id = v.id`

/**
 * Lets go what waited for the end of other runs, once, when all ends of a transaction are written: CANCEL_OTHER ends many runs of a job,
 * and none of them shall be released on the way. The positions of the jobs and all keys (`holdKeysOf`) are held.
 *
 *   heldBy OVERLAP ── no run of the job goes any more ──→ the earliest (dueAt, id): null, or CONCURRENCY where it has a key
 *   heldBy CONCURRENCY ── its key has a slot ───────────→ the first by priority, dueAt, id: null
 */
export async function releaseAfterEnds(tx: Tx, ended: Ended<Pick<HeldPosition, 'jobId' | 'activeRuns'>>, now: Instant): Promise<void> {
  const keys = new Set(ended.keys)
  // Where nothing is active, nothing waits.
  const jobIds = [...ended.jobs].filter(({ activeRuns }) => activeRuns > 0).map(({ jobId }) => jobId)
  if (jobIds.length > 0) {
    const next = await tx.rows<HeldRun>(NEXT_OF_JOBS, [textArray(jobIds)])
    for (const { concurrencyKey } of next) if (concurrencyKey !== null) keys.add(concurrencyKey)
    // One with a key queues up behind those of its key that are before it by priority and dueAt.
    await release(tx, next, ({ concurrencyKey }) => (concurrencyKey === null ? null : 'CONCURRENCY'), now)
  }
  // More than one may go: the run that ended may have been the one that asked for the least bound.
  if (keys.size > 0) await release(tx, await tx.rows<HeldRun>(NEXT_OF_KEYS, [textArray([...keys])]), () => null, now)
}

async function release(tx: Tx, runs: readonly HeldRun[], heldBy: (run: HeldRun) => Hold | null, now: Instant): Promise<void> {
  if (runs.length === 0) return
  const cursors = await tx.cursors(runs.length)
  const holding = runs.map((run, i) => ({ id: run.id, heldBy: heldBy(run), cursor: cursors[i]! }))
  await tx.write(HOLD, [...HOLDING.values(holding), instantText(now)])
  runs.forEach((run, i) => {
    if (holding[i]!.heldBy === null) mayStart(tx, run, now)
  })
}

/** Notes that nothing holds a run any more: it may start now, or its wait has a new end. */
export function mayStart(tx: Tx, { id, priority, dueAt }: Pick<HeldRun, 'id' | 'priority' | 'dueAt'>, now: Instant): void {
  if (dueAt <= now) tx.effects.ready.push({ id, priority })
  else tx.effects.runsWait = true
}
