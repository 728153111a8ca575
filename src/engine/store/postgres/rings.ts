import { numberArray, textArray } from './columns.ts'
import type { ReadyRun, Tx } from './database.ts'

/** The task of graphile-worker that a ring is. */
export const RING = 'orrery_runs'
/** Runs that one ring speaks of: whoever hears it begins so many of those that wait. */
export const RUNS_A_RING = 50

/** What a ring carries. */
export interface RingPayload {
  readonly runIds: readonly string[]
}

// A ring never fails by itself; one whose process could not tell of its end is heard once more, and then forgotten.
const ADD = `SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
  SELECT ROW('${RING}', payload::json, NULL, NULL, 2, NULL, priority, NULL)::graphile_worker.job_spec
  FROM unnest($1::text[], $2::int[]) AS ring(payload, priority)))`

/** Rings for runs that may start now, in the transaction that makes them so: whoever sees the ring sees the runs. */
export async function addRings(tx: Tx, ready: readonly ReadyRun[]): Promise<void> {
  if (ready.length === 0) return
  const rings = ringsOf(ready)
  await tx.rows(ADD, [
    textArray(rings.map(({ runIds }) => JSON.stringify({ runIds } satisfies RingPayload))),
    // There the lowest number is heard first.
    numberArray(rings.map(({ priority }) => 9 - priority)),
  ])
}

interface Ring {
  readonly priority: number
  readonly runIds: string[]
}

function ringsOf(ready: readonly ReadyRun[]): readonly Ring[] {
  const rings: Ring[] = []
  const open = new Map<number, Ring>()
  for (const { id, priority } of ready) {
    let ring = open.get(priority)
    if (ring === undefined || ring.runIds.length === RUNS_A_RING) {
      ring = { priority, runIds: [] }
      open.set(priority, ring)
      rings.push(ring)
    }
    ring.runIds.push(id)
  }
  return rings
}
