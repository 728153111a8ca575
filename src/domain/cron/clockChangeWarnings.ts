import { DAY, type Instant, type Milliseconds } from '../instant.ts'
import { LAST_INSTANT } from '../instantRange.ts'
import type { CronSchedule } from '../schedule.ts'
import type { ScheduleWarning } from '../scheduleWarning.ts'
import { wordsOfDuration } from '../words.ts'
import { type ClockChange, zoneOf } from '../zone/zone.ts'
import { type WallTime, wallTimesOf } from './walls.ts'

/** Clocks change twice a year at most where it matters to people, so a year and a week shows the next of each kind. */
const LOOK_AHEAD: Milliseconds = 373 * DAY

/**
 * The next instant from `from` on that a clock change moves or drops, and the next that one repeats or could. An expression for every hour
 * is not concerned: it goes on by real time.
 */
export function clockChangeWarnings(schedule: CronSchedule, from: Instant): readonly ScheduleWarning[] {
  const walls = wallTimesOf(schedule.expression, schedule.dayMatch)
  const { periodic, hours } = walls.fields
  if (periodic && hours.length === 24) return []
  const start = Math.max(from, schedule.startAt ?? from)
  const end = Math.min(start + LOOK_AHEAD, schedule.endAt ?? LAST_INSTANT)
  const warnings: ScheduleWarning[] = []
  for (const change of changesBetween(schedule.timezone, start, end)) {
    const { at, before, after } = change
    // Of a fold that is under way, the wall times still to come.
    const wall = walls.atOrAfter(Math.max(at + Math.min(before, after), start + before))
    if (wall >= at + Math.max(before, after)) continue
    const warning = after > before ? gapWarning(schedule, change, wall, periodic) : foldWarning(schedule, change, wall, periodic)
    if (warning.at <= end && !warnings.some(({ code }) => code === warning.code)) warnings.push(warning)
  }
  return warnings
}

function changesBetween(timezone: string, start: Instant, end: Instant): readonly ClockChange[] {
  const zone = zoneOf(timezone)
  const changes: ClockChange[] = []
  for (let stretch = zone.stretchAt(start); stretch.end <= end; stretch = zone.stretchAt(stretch.end)) {
    if (stretch.left?.at === stretch.end) changes.push(stretch.left)
  }
  return changes
}

/** `at` is set, unlike in other warnings. */
type ClockChangeWarning = ScheduleWarning & { readonly at: Instant }

function gapWarning(schedule: CronSchedule, change: ClockChange, wall: WallTime, periodic: boolean): ClockChangeWarning {
  const { at, before, after } = change
  const landing = clock(at + after)
  const outcome = {
    FIRE_AFTER: { at, words: `it fires at ${landing} instead (gap FIRE_AFTER)` },
    SHIFT: { at: wall - before, words: `it fires at ${clock(wall - before + after)} instead (gap SHIFT)` },
    SKIP: { at, words: 'it does not fire (gap SKIP)' },
    PERIODIC: { at, words: 'it does not fire' },
  }[periodic ? 'PERIODIC' : schedule.gap]
  const message =
    `${date(wall)} ${clock(wall)} does not exist in ${schedule.timezone}, where clocks go forward by ${wordsOfDuration(after - before)} ` +
    `at ${date(at + before)} ${clock(at + before)}: ${outcome.words}.`
  return { code: 'DST_GAP', message, at: outcome.at }
}

function foldWarning(schedule: CronSchedule, change: ClockChange, wall: WallTime, periodic: boolean): ClockChangeWarning {
  const { at, before, after } = change
  const first = wall - before
  const outcome = {
    FIRST: { at: first, words: 'it fires the first time only (fold FIRST)' },
    SECOND: { at: wall - after, words: 'it fires the second time only (fold SECOND)' },
    BOTH: { at: first, words: 'it fires both times (fold BOTH)' },
    PERIODIC: { at: first, words: 'it fires both times' },
  }[periodic ? 'PERIODIC' : schedule.fold]
  const message =
    `${date(wall)} ${clock(wall)} happens twice in ${schedule.timezone}, where clocks go back by ${wordsOfDuration(before - after)} ` +
    `at ${date(at + before)} ${clock(at + before)}: ${outcome.words}.`
  return { code: 'DST_FOLD', message, at: outcome.at }
}

function date(wall: WallTime): string {
  return new Date(wall).toISOString().slice(0, 10)
}

/** `02:30`, with seconds where there are any. */
function clock(wall: WallTime): string {
  const time = new Date(wall).toISOString().slice(11, 19)
  return time.endsWith(':00') ? time.slice(0, 5) : time
}
