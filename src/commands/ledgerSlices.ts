import type { Instant } from '../domain/instant.ts'
import type { LedgerRow } from '../domain/ledger.ts'
import type { Store } from '../engine/store/store.ts'

/** Rows of either kind read at once: some milliseconds, for whoever looks at each of them. */
const SLICE = 1_000

/** Consecutive rows of a ledger as they stood at one moment, by their first instants. The next slice begins after `upTo`. */
export interface LedgerSlice {
  readonly rows: readonly LedgerRow[]
  readonly upTo: Instant
}

/**
 * Walks the ledger of a job over the instants in (after, upTo] in slices and lets the loop turn after each. A row that reaches over a
 * border is in all slices that it touches.
 */
export async function* ledgerSlices(
  store: Store,
  { jobId, after, upTo }: { readonly jobId: string; readonly after: Instant; readonly upTo: Instant },
): AsyncGenerator<LedgerSlice> {
  for (let done = after; done < upTo; ) {
    const { runs, shared } = await store.ledger({ jobId, after: done, before: upTo + 1, fromEnd: false, limit: SLICE })
    const end = Math.max(done + 1, Math.min(upTo, wholeBefore(runs) - 1, wholeBefore(shared) - 1))
    const rows = [...runs, ...shared].filter(({ first }) => first <= end).sort((a, b) => a.first - b.first)
    yield { rows, upTo: end }
    done = end
    await turnOfLoop()
  }
}

export function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Up to where a read has all rows of a kind: one that is full may have left out others of the last row's instants. */
function wholeBefore(rows: readonly LedgerRow[]): Instant {
  return rows.length < SLICE ? Number.POSITIVE_INFINITY : rows.at(-1)!.first
}
