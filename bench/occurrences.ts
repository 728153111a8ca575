// How fast instants of cron schedules are found and counted (targets: a next instant in 20 µs on average, a week of every second counted in
// under 1 ms). Prints a table and one line of JSON. Each figure is the median of the rounds, beside its best and worst.
import { DAY, type Instant } from '../src/domain/instant.ts'
import { type Occurrences, occurrencesOf } from '../src/domain/occurrences.ts'
import type { CronSchedule } from '../src/domain/schedule.ts'

const ROUNDS = 7
const START: Instant = Date.UTC(2026, 0, 1)
const YEAR = 365 * DAY

const EXPRESSIONS = [
  '* * * * * *',
  '* * * * *',
  '*/5 * * * *',
  '0 */2 * * *',
  '30 2 * * *',
  '0 9 * * MON-FRI',
  '*/10 9-17 * * 1-5',
  '0 0 1 * *',
  '0 12 LW * *',
  '30 2 * * SUN#2',
  '0 0 15W,L-3 * *',
  '0 0 29 2 *',
]
const ZONES = ['UTC', 'America/New_York', 'Europe/Berlin', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Apia']

interface Figure {
  readonly name: string
  readonly unit: 'µs' | 'ms'
  readonly median: number
  readonly best: number
  readonly worst: number
}

function cron(expression: string, timezone: string): CronSchedule {
  const bounds = { startAt: null, endAt: null, maxRuns: null, jitter: null }
  return { kind: 'cron', expression, timezone, dayMatch: 'ANY', gap: 'FIRE_AFTER', fold: 'FIRST', ...bounds }
}

/** Runs `work` in rounds; `work` says how many operations it did. */
function measure(name: string, unit: 'µs' | 'ms', work: () => number): Figure {
  const scale = unit === 'µs' ? 1_000 : 1
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = performance.now()
    const operations = work()
    return ((performance.now() - start) * scale) / operations
  }).sort((a, b) => a - b)
  return { name, unit, median: rounds[Math.floor(ROUNDS / 2)] as number, best: rounds[0] as number, worst: rounds.at(-1) as number }
}

const all: Occurrences[] = EXPRESSIONS.flatMap((expression) => ZONES.map((zone) => occurrencesOf(cron(expression, zone))))

/** From moments spread over a year, so that clock changes take part as often as they do. */
function spread(step: (occurrences: Occurrences, at: Instant) => unknown): number {
  const moments = 500
  for (const occurrences of all) for (let index = 0; index < moments; index++) step(occurrences, START + (index * YEAR) / moments)
  return all.length * moments
}

function inARow(occurrences: Occurrences, steps: number): number {
  let at: Instant | null = START
  for (let step = 0; step < steps && at !== null; step++) at = occurrences.next(at)
  return steps
}

const everySecond = occurrencesOf(cron('* * * * * *', 'America/New_York'))
const everySecondFixed = occurrencesOf({ ...cron('* * 0-23 * * *', 'America/New_York'), gap: 'SHIFT' })
const weekOfGap = Date.UTC(2026, 2, 5)

function count(occurrences: Occurrences, after: Instant, length: number): number {
  occurrences.count(after, after + length)
  return 1
}

const figures = [
  measure('next, 12 expressions in 6 zones, spread over a year', 'µs', () => spread((occurrences, at) => occurrences.next(at))),
  measure('previous, the same', 'µs', () => spread((occurrences, at) => occurrences.previous(at))),
  measure('next of every second, New York, one after another', 'µs', () => inARow(everySecond, 200_000)),
  measure('count a week of every second, New York', 'ms', () => count(everySecond, START, 7 * DAY)),
  measure('count a week with a clock change, every second, gap SHIFT', 'ms', () => count(everySecondFixed, weekOfGap, 7 * DAY)),
  measure('count 400 days, 12 expressions in 6 zones', 'ms', () => {
    for (const occurrences of all) count(occurrences, START, 400 * DAY)
    return all.length
  }),
  measure('compile', 'µs', () => {
    for (const expression of EXPRESSIONS) for (const zone of ZONES) occurrencesOf(cron(expression, zone))
    return all.length
  }),
  measure('compile an expression not seen before', 'µs', () => {
    const minutes = Array.from({ length: 1_000 }, () => `${Math.floor(Math.random() * 60)},${Math.floor(Math.random() * 60)}`)
    for (const minute of minutes) occurrencesOf(cron(`${minute} ${Math.floor(Math.random() * 24)} * * 1-5`, 'UTC'))
    return minutes.length
  }),
]

console.table(
  Object.fromEntries(
    figures.map(({ name, unit, median, best, worst }) => [
      name,
      { unit, median: Number(median.toPrecision(3)), best: Number(best.toPrecision(3)), worst: Number(worst.toPrecision(3)) },
    ]),
  ),
)
console.log(JSON.stringify({ bench: 'occurrences', node: process.version, rounds: ROUNDS, figures }))
