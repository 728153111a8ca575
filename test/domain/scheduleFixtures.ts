import type { CronSchedule, IntervalSchedule, OnceSchedule } from '../../src/domain/schedule.ts'

/** A cron schedule of defaults and the overrides. */
export function cron(expression: string, overrides: Partial<CronSchedule> = {}): CronSchedule {
  return {
    kind: 'cron',
    expression,
    timezone: 'UTC',
    dayMatch: 'ANY',
    gap: 'FIRE_AFTER',
    fold: 'FIRST',
    startAt: null,
    endAt: null,
    maxRuns: null,
    jitter: null,
    ...overrides,
  }
}

/** An interval schedule of defaults and the overrides. */
export function interval(every: number, overrides: Partial<IntervalSchedule> = {}): IntervalSchedule {
  return { kind: 'interval', every, anchor: 0, startAt: null, endAt: null, maxRuns: null, jitter: null, ...overrides }
}

export function once(at: number, jitter: number | null = null): OnceSchedule {
  return { kind: 'once', at, jitter }
}

export function at(text: string): number {
  const instant = Date.parse(text)
  if (Number.isNaN(instant)) throw new Error(`not an instant: ${text}`)
  return instant
}
