import type { Instant } from './instant.ts'
import type { Policies } from './job.ts'
import type { Occurrences } from './occurrences.ts'

/** How many misfires of one look run under ALL: the newest ones. */
export const CATCH_UP_LIMIT = 1_000

/** The instants in (after, upTo]. */
export interface Stretch {
  readonly after: Instant
  readonly upTo: Instant
}

/** What the misfire policy says of the instants due in one look. `fires` are oldest first, and still subject to overlap. */
export interface MisfireDecision {
  readonly fires: readonly Instant[]
  /** Coalesced into the newest of `fires`. */
  readonly coalesced: readonly Stretch[]
  readonly missed: readonly { readonly stretch: Stretch; readonly reason: string }[]
}

const TOO_OLD = 'Older than the catch-up window.'
const NOT_CAUGHT_UP = 'Not decided on time, and the misfire policy is NONE.'
const TOO_MANY = 'Not decided on time, and only the newest 1,000 misfires are caught up.'
const NOTHING: MisfireDecision = { fires: [], coalesced: [], missed: [] }

/**
 * Applies §"Misfires": the newest due instant is on time if it is decided at most `misfireGrace` after its dueAt, and then fires
 * whatever the policy; all others are misfires. Instants older than `catchupWindow` are always missed.
 *
 * @param stretches the due instants, in ascending stretches without the paused ones
 * @param dueAt of the newest instant
 */
export function decideMisfires(
  stretches: readonly Stretch[],
  policies: Policies,
  occurrences: Occurrences,
  dueAt: (instant: Instant) => Instant,
  now: Instant,
): MisfireDecision {
  const newest = newestIn(stretches, occurrences)
  if (newest === null) return NOTHING
  const cutoff = now - policies.catchupWindow
  const missed: { stretch: Stretch; reason: string }[] = []
  const late: Stretch[] = []
  for (const stretch of stretches) {
    // An instant exactly as old as the window is still within it.
    const old = { after: stretch.after, upTo: Math.min(stretch.upTo, cutoff - 1) }
    const rest = { after: Math.max(stretch.after, cutoff - 1), upTo: Math.min(stretch.upTo, newest - 1) }
    if (old.upTo > old.after) missed.push({ stretch: old, reason: TOO_OLD })
    if (rest.upTo > rest.after) late.push(rest)
  }
  if (newest < cutoff) return { fires: [], coalesced: [], missed }

  const onTime = now - dueAt(newest) <= policies.misfireGrace
  const newestStretch = { after: newest - 1, upTo: newest }
  switch (policies.misfire) {
    case 'LATEST':
      return { fires: [newest], coalesced: late, missed }
    case 'NONE': {
      const all = onTime ? late : [...late, newestStretch]
      return {
        fires: onTime ? [newest] : [],
        coalesced: [],
        missed: [...missed, ...all.map((stretch) => ({ stretch, reason: NOT_CAUGHT_UP }))],
      }
    }
    case 'ALL': {
      const { caughtUp, beyond } = newestOf(onTime ? late : [...late, newestStretch], CATCH_UP_LIMIT, occurrences)
      return {
        fires: onTime ? [...caughtUp, newest] : caughtUp,
        coalesced: [],
        missed: [...missed, ...beyond.map((stretch) => ({ stretch, reason: TOO_MANY }))],
      }
    }
  }
}

function newestIn(stretches: readonly Stretch[], occurrences: Occurrences): Instant | null {
  for (const stretch of stretches.toReversed()) {
    const instant = occurrences.previous(stretch.upTo)
    if (instant !== null && instant > stretch.after) return instant
  }
  return null
}

/** The newest `limit` instants, oldest first, and the stretches that hold the older ones. */
function newestOf(stretches: readonly Stretch[], limit: number, occurrences: Occurrences): { caughtUp: Instant[]; beyond: Stretch[] } {
  const newestFirst: Instant[] = []
  const beyond: Stretch[] = []
  for (const stretch of stretches.toReversed()) {
    let upTo = stretch.upTo
    while (newestFirst.length < limit) {
      const instant = occurrences.previous(upTo)
      if (instant === null || instant <= stretch.after) break
      newestFirst.push(instant)
      upTo = instant - 1
    }
    if (newestFirst.length === limit && upTo > stretch.after) beyond.unshift({ after: stretch.after, upTo })
  }
  return { caughtUp: newestFirst.reverse(), beyond }
}
