import type { CreateJobInput, PoliciesInput, TargetInput } from '../../../src/commands/inputs.ts'
import type { IntervalInput, ScheduleInput } from '../../../src/domain/scheduleInput.ts'
import type { Random } from './seeded.ts'

// Jobs of all kinds, drawn at random, as the commands take them: instants and durations in milliseconds. `forApi` writes the same for
// the API. Every draw is a job that must be accepted.

const SECOND = 1_000
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/Santiago', 'Asia/Kolkata']

/** What jobs may be drawn. */
export interface Kinds {
  /** How long jobs are watched, from now on: bounds and single instants lie in this time. */
  readonly span: number
  /** The target and payload of one more job. */
  readonly target: (random: Random) => Pick<CreateJobInput, 'target' | 'payload'>
  /** Longest interval. */
  readonly longestInterval: number
  /** Attempts, waits and timeouts are so short that runs end within seconds. */
  readonly hurried: boolean
}

export function randomJob(random: Random, kinds: Kinds, name: string, now: number): CreateJobInput {
  const pause = random.chance(0.05)
  return {
    name,
    description: random.chance(0.3) ? `Drawn at random: ${name}.` : null,
    tags: ['chaos', ...['red', 'green', 'blue'].filter(() => random.chance(0.3))],
    schedule: randomSchedule(random, kinds, now),
    ...kinds.target(random),
    policies: randomPolicies(random, kinds),
    ...(pause ? { pause: { note: 'Paused from the start.', until: now + random.int(5, 60) * SECOND } } : {}),
    onConflict: 'FAIL',
  }
}

export function randomSchedule(random: Random, { span, longestInterval }: Kinds, now: number): ScheduleInput {
  switch (random.weighted({ interval: 60, cron: 32, once: 8 })) {
    case 'interval': {
      const every = SECOND * random.int(1, longestInterval / SECOND) + (random.chance(0.2) ? random.int(0, 999) : 0)
      return { interval: { every, ...randomAnchor(random, now), ...randomBounds(random, span, now, every) } }
    }
    case 'cron':
      return {
        cron: {
          expression: randomExpression(random, now),
          timezone: random.pick(ZONES),
          dayMatch: random.pick(['ANY', 'ALL']),
          gap: random.pick(['FIRE_AFTER', 'SHIFT', 'SKIP']),
          fold: random.pick(['FIRST', 'SECOND', 'BOTH']),
          ...randomBounds(random, span, now, 60 * SECOND),
        },
      }
    case 'once':
      return { once: { at: now + random.int(2 * SECOND, span), jitter: randomJitter(random, 5 * SECOND) } }
  }
}

function randomAnchor(random: Random, now: number): Pick<IntervalInput, 'anchor'> {
  return random.chance(0.5) ? { anchor: Math.floor(now / 60_000) * 60_000 - random.int(0, 10) * 3_600_000 } : {}
}

function randomBounds(random: Random, span: number, now: number, every: number) {
  return {
    jitter: randomJitter(random, every),
    ...(random.chance(0.1) ? { startAt: now + random.int(0, span / 4) } : {}),
    // Late enough that an instant is left, whatever the kind.
    ...(random.chance(0.1) ? { endAt: now + span / 2 + random.int(2 * every, 2 * every + span) } : {}),
    ...(random.chance(0.1) ? { maxRuns: random.int(1, 20) } : {}),
  }
}

function randomJitter(random: Random, most: number): number | null {
  return random.chance(0.25) ? random.int(0, most) : null
}

function randomExpression(random: Random, now: number): string {
  const minute = () => random.weighted({ '*': 5, '*/2': 2, '0-59/3': 1, '5,15,25,35,45,55': 1, '10-50': 1 })
  // A rule of fixed hours is one whose instants a clock change moves.
  const hour = () => random.weighted({ '*': 8, '*/1': 1, '0-23': 2 })
  const day = () => (random.chance(0.15) ? String(new Date(now).getUTCDay()) : '*')
  const rest = `${minute()} ${hour()} * * ${day()}`
  if (random.chance(0.25)) return rest
  const second = random.pick(['*/2', '*/5', '*/10', '*/15', '7', '0,30', '10-20', '59', '1-59/7', '*'])
  return `${second} ${rest}`
}

export function randomPolicies(random: Random, { hurried }: Kinds): PoliciesInput {
  const overlap = random.pick(['SKIP', 'SKIP', 'BUFFER_ONE', 'BUFFER_ALL', 'CANCEL_OTHER', 'ALLOW_ALL'] as const)
  const all = overlap === 'BUFFER_ALL' || overlap === 'ALLOW_ALL'
  const misfireGrace = random.pick([0, 500, 2 * SECOND, 60 * SECOND])
  const shared = random.chance(0.15)
  return {
    overlap,
    misfire: random.pick(all ? ['LATEST', 'ALL', 'NONE'] : ['LATEST', 'NONE']),
    misfireGrace,
    catchupWindow: random.pick([Math.max(misfireGrace, 5 * SECOND), 120 * SECOND, 24 * 3_600 * SECOND]),
    maxAttempts: random.int(1, 4),
    backoff: {
      initial: random.int(50, hurried ? 800 : 10_000),
      factor: random.pick([1, 1.5, 2]),
      max: 10 * SECOND,
      jitter: random.chance(0.7),
    },
    timeout: random.int(500, hurried ? 3_000 : 30_000),
    priority: random.int(0, 9),
    concurrencyKey: shared ? `key ${random.int(0, 9)}` : null,
    maxConcurrency: shared ? random.int(1, 5) : null,
    pauseAfterFailures: random.chance(0.1) ? random.int(2, 6) : null,
  }
}

const DURATIONS = new Set(['every', 'jitter', 'misfireGrace', 'catchupWindow', 'timeout', 'initial', 'max'])
const INSTANTS = new Set(['anchor', 'startAt', 'endAt', 'at', 'until', 'from', 'to'])

/** The same input as the API takes it. A payload is handed over as it is. */
export function forApi(input: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, key === 'payload' ? value : valueForApi(key, value)]))
}

function valueForApi(key: string, value: unknown): unknown {
  if (typeof value === 'number' && DURATIONS.has(key)) return `${value}ms`
  if (typeof value === 'number' && INSTANTS.has(key)) return new Date(value).toISOString()
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? forApi(value) : value
}

export const NOOP: TargetInput = { handler: { handler: 'noop' } }
