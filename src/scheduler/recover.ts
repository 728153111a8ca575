import { type Instant, type Milliseconds, SECOND } from '../domain/instant.ts'
import type { Outcome } from '../domain/run.ts'
import type { AttemptKey, AttemptReport, Store } from '../engine/store/store.ts'
import type { Log } from '../log.ts'
import type { Watch } from './watch.ts'

const BATCH = 500
/** A running attempt that was asked to cancel has so long to end by itself; its worker ends it sooner if it lives. */
const CANCEL_DEADLINE: Milliseconds = 10 * SECOND

export interface RecoverDeps {
  readonly store: Store
  readonly log: Log
  readonly now: () => Instant
  /** The clock that leases are measured by: it never jumps. */
  readonly leaseNow: () => Instant
  readonly random: () => number
}

type Found = AttemptKey & Pick<AttemptReport, 'leaseOver'>

/** Which attempts it is about. */
export type Recovered =
  /** All: this process holds the database alone and has just started, so every attempt under way is some dead process's. */
  | { readonly everything: true }
  /**
   * Those whose lease ran out, once `watch` has lasted for half of it: who was kept from renewing by a database that was away, or was not
   * seen to do so, shall have done it before.
   */
  | { readonly everything: false; readonly watch: Watch; readonly lease: Milliseconds }

/**
 * Ends attempts whose worker does not: those whose lease ran out are LOST, those asked to cancel long ago are CANCELLED. What follows
 * from that is settled as for any other outcome.
 *
 * @returns how many attempts it ended
 */
export async function recover(deps: RecoverDeps, which: Recovered): Promise<number> {
  const { everything } = which
  const lost = await endAll(deps, { kind: 'LOST' }, async () => {
    const now = deps.leaseNow()
    const found = await deps.store.lostAttempts({ now, everything, limit: BATCH })
    if (which.everything) return found
    // Their workers may renew them still, until they are ended.
    return which.watch.looked(deps.leaseNow()) >= which.lease / 2 ? found.map((key) => ({ ...key, leaseOver: now })) : []
  })
  if (lost > 0)
    deps.log.warn({ attempts: lost }, everything ? 'ended the attempts that the last process left' : 'ended attempts whose lease ran out')
  const overdue = await endAll(deps, { kind: 'CANCELLED' }, () => deps.store.overdueCancels(deps.now() - CANCEL_DEADLINE, BATCH))
  return lost + overdue
}

async function endAll({ store, now, random }: RecoverDeps, outcome: Outcome, find: () => Promise<readonly Found[]>): Promise<number> {
  let ended = 0
  for (;;) {
    const attempts = await find()
    if (attempts.length === 0) return ended
    const results = await store.settle(
      attempts.map(({ runId, attempt, leaseOver }) => ({ runId, attempt, outcome, now: now(), random: random(), leaseOver })),
    )
    ended += results.filter(({ kind }) => kind === 'settled').length
  }
}
