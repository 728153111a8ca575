import type { Instant } from '../domain/instant.ts'
import type { Occurrences } from '../domain/occurrences.ts'
import type { Store } from '../engine/store/store.ts'
import { ledgerSlices, turnOfLoop } from './ledgerSlices.ts'

/** Instants of a removed run's row that are looked at between two turns of the loop. */
const STEP = 1_000

export interface Search {
  readonly jobId: string
  /** Exclusive. */
  readonly after: Instant
  readonly upTo: Instant
  /** Of the schedule whose instants are looked for. */
  readonly occurrences: Occurrences
  /** What all schedules of the job had planned: those are the instants that a row stands for. */
  readonly planned: Occurrences
}

/** The instants of a schedule that never had a run: the first `most` of them, oldest first, and how many there are. */
export async function instantsWithoutRun(
  store: Store,
  search: Search,
  most: number,
): Promise<{ readonly instants: readonly Instant[]; readonly count: number }> {
  const { after, upTo, occurrences } = search
  const instants: Instant[] = []
  let count = 0
  /** No run has any of the instants in (from, to]. */
  const find = (from: Instant, to: Instant) => {
    count += occurrences.count(from, to)
    for (let at = occurrences.next(from); at !== null && at <= to && instants.length < most; at = occurrences.next(at)) instants.push(at)
  }

  let done = after
  for await (const slice of ledgerSlices(store, search)) {
    for (const row of slice.rows) {
      if (row.verdict !== 'RUN') continue
      const part = { from: Math.max(row.first - 1, done), to: Math.min(row.last, slice.upTo) }
      find(done, part.from)
      if (row.last > row.first) for await (const at of unplannedIn(part, search)) find(at - 1, at)
      done = Math.max(done, part.to)
    }
    find(done, slice.upTo)
    done = slice.upTo
  }
  find(done, upTo)
  return { instants, count }
}

/** Instants between those of a row of removed runs, which the row does not stand for: the schedule of that time did not have them. */
async function* unplannedIn(
  { from, to }: { readonly from: Instant; readonly to: Instant },
  { occurrences, planned }: Pick<Search, 'occurrences' | 'planned'>,
): AsyncGenerator<Instant> {
  let walked = 0
  for (let at = occurrences.next(from); at !== null && at <= to; at = occurrences.next(at)) {
    if (planned.count(at - 1, at) === 0) yield at
    if (++walked % STEP === 0) await turnOfLoop()
  }
}
