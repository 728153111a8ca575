import { type Instant, type Milliseconds, SECOND } from '../instant.ts'
import type { FoldPolicy, GapPolicy } from '../schedule.ts'
import type { Stretch } from '../zone/zone.ts'
import type { WallTime, WallTimes } from './walls.ts'

// What fires in one stretch of a zone, between two of its clock changes. A stretch fires
// - the wall times that its own clock shows (`shown`), those of a fold's other pass left out where the policy gives them to that pass;
// - of the wall times that the change at its start skipped: all, on the clock from before (`shifted`, policy SHIFT), or one instant for
//   all, that of the change (`landing`, policy FIRE_AFTER).
// A wall time and a skipped one may come to the same instant. That is one occurrence.

export interface ClockChangePolicies {
  readonly gap: GapPolicy
  readonly fold: FoldPolicy
}

/** The matching wall times in [from, to), each firing `offset` earlier than it reads. */
interface WallRange {
  readonly from: WallTime
  readonly to: WallTime
  readonly offset: Milliseconds
}

export interface Firing {
  readonly walls: WallTimes
  readonly shown: WallRange
  readonly shifted: WallRange | null
  readonly landing: Instant | null
}

export function firingIn(stretch: Stretch, walls: WallTimes, policies: ClockChangePolicies): Firing {
  const { start, end, offset, entered, left } = stretch
  let from = start + offset
  let to = end + offset
  if (walls.fields.periodic) return { walls, shown: { from, to, offset }, shifted: null, landing: null }
  if (entered !== null && entered.after < entered.before && policies.fold === 'FIRST') from = Math.max(from, entered.at + entered.before)
  if (left !== null && left.after < left.before && policies.fold === 'SECOND') to = Math.min(to, left.at + left.after)
  const shown = { from, to, offset }
  if (entered === null || entered.after < entered.before || policies.gap === 'SKIP') return { walls, shown, shifted: null, landing: null }
  const { at, before, after } = entered
  if (policies.gap === 'SHIFT') {
    const shifted = { from: Math.max(at, start) + before, to: Math.min(at + after, end + before), offset: before }
    return { walls, shown, shifted, landing: null }
  }
  const lands = at === start && walls.atOrAfter(at + before) < at + after
  return { walls, shown, shifted: null, landing: lands ? at : null }
}

/** The first instant of the stretch at or after `from`, or Infinity. */
export function firstIn({ walls, shown, shifted, landing }: Firing, from: Instant): Instant {
  let first = firstOf(walls, shown, from)
  if (shifted !== null) first = Math.min(first, firstOf(walls, shifted, from))
  return landing !== null && landing >= from ? Math.min(first, landing) : first
}

/** The last instant of the stretch at or before `upTo`, or -Infinity. */
export function lastIn({ walls, shown, shifted, landing }: Firing, upTo: Instant): Instant {
  let last = lastOf(walls, shown, upTo)
  if (shifted !== null) last = Math.max(last, lastOf(walls, shifted, upTo))
  return landing !== null && landing <= upTo ? Math.max(last, landing) : last
}

/** How many instants of the stretch are in [from, to). */
export function countIn({ walls, shown, shifted, landing }: Firing, from: Instant, to: Instant): number {
  let count = countOf(walls, shown, from, to)
  if (shifted !== null) count += countOf(walls, shifted, from, to) - countShared(walls, shown, shifted, from, to)
  if (landing !== null && landing >= from && landing < to && !fires(walls, shown, landing)) count++
  return count
}

function firstOf(walls: WallTimes, range: WallRange, from: Instant): Instant {
  const wall = walls.atOrAfter(Math.max(range.from, from + range.offset))
  return wall < range.to ? wall - range.offset : Number.POSITIVE_INFINITY
}

function lastOf(walls: WallTimes, range: WallRange, upTo: Instant): Instant {
  const wall = walls.atOrBefore(Math.min(range.to - 1, upTo + range.offset))
  return wall >= range.from ? wall - range.offset : Number.NEGATIVE_INFINITY
}

function countOf(walls: WallTimes, range: WallRange, from: Instant, to: Instant): number {
  return walls.count(Math.max(range.from, from + range.offset), Math.min(range.to, to + range.offset))
}

function fires(walls: WallTimes, range: WallRange, instant: Instant): boolean {
  const wall = instant + range.offset
  return wall >= range.from && wall < range.to && walls.has(wall)
}

/** Instants in [from, to) that come from both ranges. Walked second by second, but only over a gap that skips any. */
function countShared(walls: WallTimes, shown: WallRange, shifted: WallRange, from: Instant, to: Instant): number {
  if (countOf(walls, shifted, from, to) === 0) return 0
  const first = Math.max(shifted.from, from + shifted.offset)
  const end = Math.min(shifted.to, to + shifted.offset)
  let count = 0
  for (let wall = Math.ceil(first / SECOND) * SECOND; wall < end; wall += SECOND) {
    if (walls.has(wall) && fires(walls, shown, wall - shifted.offset)) count++
  }
  return count
}
