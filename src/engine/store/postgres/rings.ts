import type { QueueRows } from '../../queue/graphileQueue.ts'
import { numberArray, textArray } from './columns.ts'
import type { ReadyRun, Session, Tx } from './database.ts'

/** The task of graphile-worker that a ring is. */
export const RING = 'orrery_runs'
/** Runs that one ring speaks of: whoever hears it begins so many of those that wait. */
export const RUNS_A_RING = 50

/** What a ring carries. */
export interface RingPayload {
  readonly runIds: readonly string[]
}

// A ring never fails by itself: it is heard again where the process died that heard it.
const ADD = `SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
  SELECT ROW('${RING}', payload::json, NULL, NULL, 3, NULL, priority, NULL)::graphile_worker.job_spec
  FROM unnest($1::text[], $2::int[]) AS ring(payload, priority)))`

const ANY_READY = `SELECT 1 FROM "Run" WHERE id = ANY($1::text[])
  AND (status = 'QUEUED' AND "heldBy" IS NULL AND "dueAt" <= now() OR status = 'RETRYING' AND "nextAttemptAt" <= now()) LIMIT 1`
const ASKED_TO_CANCEL = `SELECT id FROM "Run" WHERE status = 'RUNNING' AND "instanceId" = $1 AND "cancelRequestedAt" IS NOT NULL`
const UNLOCK = 'SELECT graphile_worker.force_unlock_workers($1::text[])'
const FORGET = `SELECT count(*) FROM graphile_worker.complete_jobs(ARRAY(
  SELECT id FROM graphile_worker.jobs WHERE task_identifier = '${RING}' AND attempts >= max_attempts AND locked_at IS NULL))`
const END_SESSIONS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name = ANY($1::text[]) AND datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()`

/** Names the sessions of a process in the database. */
export function sessionName(instanceId: string): string {
  return `orrery:${instanceId}`
}

/** What the queue of a process asks of the rows beside what starts runs. */
export class Rings implements Pick<QueueRows, 'anyReady' | 'askedToCancel' | 'releaseRings'> {
  readonly #db: Session

  constructor(db: Session) {
    this.#db = db
  }

  async anyReady(runIds: readonly string[]): Promise<boolean> {
    return (await this.#db.rows(ANY_READY, [textArray(runIds)])).length > 0
  }

  async askedToCancel(instanceId: string): Promise<readonly string[]> {
    return (await this.#db.rows<{ id: string }>(ASKED_TO_CANCEL, [instanceId])).map(({ id }) => id)
  }

  /**
   * Sessions of a process that is taken for dead may be alive, if it is frozen: one that hears nothing any more has the server keep for it
   * whatever anybody tells, and one in a transaction holds rows. Should it go on after all, it connects anew.
   */
  async releaseRings(instanceIds: readonly string[]): Promise<void> {
    if (instanceIds.length === 0) return
    await this.#db.rows(END_SESSIONS, [textArray(instanceIds.map(sessionName))])
    await this.#db.rows(UNLOCK, [textArray(instanceIds)])
    await this.#db.rows(FORGET)
  }
}

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
