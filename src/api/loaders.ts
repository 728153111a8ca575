import type { Pause } from '../domain/job.ts'
import type { Engine } from '../engine/engine.ts'
import type { JobRow, RunRow } from '../engine/store/store.ts'
import type { Attempt } from '../generated/sqlite/client.ts'

/** Reads of single objects that one operation asks for one by one and the store is asked for together. */
export interface Loaders {
  readonly job: (id: string) => Promise<JobRow | null>
  readonly run: (id: string) => Promise<RunRow | null>
  /** The newest runs of a job, newest first, at most `limit`. */
  readonly newestRuns: (jobId: string, limit: number) => Promise<readonly RunRow[]>
  /** Pauses of the whole scheduling; at once where they were read already, for a promise a row is most of what a list costs. */
  readonly maintenance: () => readonly Pause[] | Promise<readonly Pause[]>
  /** The stored attempts of a run, first to newest; its newest one may stand on the run's own row alone. */
  readonly attempts: (runId: string) => Promise<readonly Attempt[]>
}

/** Loaders that remember what they read: make new ones for each operation, and for each event of a subscription. */
export function createLoaders({ store, lists, prisma }: Pick<Engine, 'store' | 'lists' | 'prisma'>): Loaders {
  const newest = new Map<number, (jobId: string) => Promise<readonly RunRow[]>>()
  let maintenance: readonly Pause[] | Promise<readonly Pause[]> | null = null
  return {
    job: batched((ids) => store.jobRows(ids)),
    run: batched((ids) => store.runRows(ids)),
    newestRuns: (jobId, limit) => {
      let ofJob = newest.get(limit)
      if (ofJob === undefined) {
        ofJob = batched((ids) => lists.newestRuns(ids, limit))
        newest.set(limit, ofJob)
      }
      return ofJob(jobId)
    },
    maintenance: () => {
      maintenance ??= store.maintenance().then((pauses) => {
        maintenance = pauses
        return pauses
      })
      return maintenance
    },
    attempts: batched(async (runIds) => {
      const attempts = await prisma.attempt.findMany({ where: { runId: { in: [...runIds] } }, orderBy: { number: 'asc' } })
      const byRun = Map.groupBy(attempts, (attempt) => attempt.runId)
      return runIds.map((id) => byRun.get(id) ?? [])
    }),
  }
}

const BATCH = 500

/** Collects the keys asked for in one turn of the promises into one call of `load`, and remembers each answer. */
export function batched<Value>(load: (keys: readonly string[]) => Promise<readonly Value[]>): (key: string) => Promise<Value> {
  const known = new Map<string, Promise<Value>>()
  let open: { readonly keys: string[]; readonly values: Promise<readonly Value[]> } | null = null

  const openBatch = () => {
    const keys: string[] = []
    const values = endOfTurn().then(() => {
      if (open?.keys === keys) open = null
      return load(keys)
    })
    return { keys, values }
  }

  return (key) => {
    const remembered = known.get(key)
    if (remembered !== undefined) return remembered
    if (open === null || open.keys.length >= BATCH) open = openBatch()
    const index = open.keys.push(key) - 1
    const value = open.values.then((values) => values[index]!)
    known.set(key, value)
    return value
  }
}

/** Resolves when all promises that can settle now have: siblings resolved in this turn have asked for their keys by then. */
function endOfTurn(): Promise<void> {
  return new Promise((resolve) => {
    queueMicrotask(() => process.nextTick(resolve))
  })
}
