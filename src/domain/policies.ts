import { formatDuration } from './duration.ts'
import { type Checked, refused, type UserError, userError, valid } from './errors.ts'
import { DAY, type Milliseconds } from './instant.ts'
import { type Backoff, DEFAULT_POLICIES, type MisfirePolicy, type OverlapPolicy, type Policies } from './job.ts'
import { keyError } from './jobFields.ts'

export interface PoliciesInput {
  readonly overlap?: OverlapPolicy | null | undefined
  readonly misfire?: MisfirePolicy | null | undefined
  readonly misfireGrace?: Milliseconds | null | undefined
  readonly catchupWindow?: Milliseconds | null | undefined
  readonly maxAttempts?: number | null | undefined
  readonly backoff?: BackoffInput | null | undefined
  readonly timeout?: Milliseconds | null | undefined
  readonly priority?: number | null | undefined
  readonly concurrencyKey?: string | null | undefined
  readonly maxConcurrency?: number | null | undefined
  readonly pauseAfterFailures?: number | null | undefined
}

export interface BackoffInput {
  readonly initial?: Milliseconds | null | undefined
  readonly factor?: number | null | undefined
  readonly max?: Milliseconds | null | undefined
  readonly jitter?: boolean | null | undefined
}

// Bounds that no one meets by intent; they keep arithmetic, timers and rows small.
const MAX_ATTEMPTS = 100
const MAX_FACTOR = 100
const MAX_CONCURRENCY = 1_000_000
const MAX_FAILURES = 1_000_000
const MAX_TIMEOUT: Milliseconds = 7 * DAY
const MAX_WINDOW: Milliseconds = 400 * DAY
const MAX_BACKOFF: Milliseconds = 30 * DAY

/** Misfires that all run need an overlap policy under which they all can. */
const RUNS_EVERYTHING: readonly OverlapPolicy[] = ['BUFFER_ALL', 'ALLOW_ALL']

/**
 * Merges what a caller gave into the policies as they stand: left out is unchanged, null is back to the default. All that is wrong is
 * told at once, each with its path.
 */
export function mergePolicies(current: Policies, input: PoliciesInput | null | undefined): Checked<Policies> {
  if (input === undefined) return valid(current)
  if (input === null) return valid(DEFAULT_POLICIES)
  const policies: Policies = {
    overlap: merged(input.overlap, current.overlap, DEFAULT_POLICIES.overlap),
    misfire: merged(input.misfire, current.misfire, DEFAULT_POLICIES.misfire),
    misfireGrace: merged(input.misfireGrace, current.misfireGrace, DEFAULT_POLICIES.misfireGrace),
    catchupWindow: merged(input.catchupWindow, current.catchupWindow, DEFAULT_POLICIES.catchupWindow),
    maxAttempts: merged(input.maxAttempts, current.maxAttempts, DEFAULT_POLICIES.maxAttempts),
    backoff: mergeBackoff(current.backoff, input.backoff),
    timeout: merged(input.timeout, current.timeout, DEFAULT_POLICIES.timeout),
    priority: merged(input.priority, current.priority, DEFAULT_POLICIES.priority),
    concurrencyKey: merged(input.concurrencyKey, current.concurrencyKey, null),
    maxConcurrency: merged(input.maxConcurrency, current.maxConcurrency, null),
    pauseAfterFailures: merged(input.pauseAfterFailures, current.pauseAfterFailures, null),
  }
  const errors = [...outOfBounds(policies), ...contradictions(policies)]
  return errors.length === 0 ? valid(policies) : refused(...errors)
}

function merged<T>(given: T | null | undefined, current: T, standard: T): T {
  return given === undefined ? current : (given ?? standard)
}

function mergeBackoff(current: Backoff, input: BackoffInput | null | undefined): Backoff {
  if (input === undefined) return current
  const standard = DEFAULT_POLICIES.backoff
  if (input === null) return standard
  return {
    initial: merged(input.initial, current.initial, standard.initial),
    factor: merged(input.factor, current.factor, standard.factor),
    max: merged(input.max, current.max, standard.max),
    jitter: merged(input.jitter, current.jitter, standard.jitter),
  }
}

function outOfBounds(policies: Policies): UserError[] {
  const { backoff } = policies
  return [
    duration(['misfireGrace'], policies.misfireGrace, 0, MAX_WINDOW),
    duration(['catchupWindow'], policies.catchupWindow, 0, MAX_WINDOW),
    number(['maxAttempts'], policies.maxAttempts, 1, MAX_ATTEMPTS),
    duration(['backoff', 'initial'], backoff.initial, 0, MAX_BACKOFF),
    number(['backoff', 'factor'], backoff.factor, 1, MAX_FACTOR),
    duration(['backoff', 'max'], backoff.max, backoff.initial, MAX_BACKOFF),
    duration(['timeout'], policies.timeout, 1, MAX_TIMEOUT),
    number(['priority'], policies.priority, 0, 9),
    policies.maxConcurrency === null ? null : number(['maxConcurrency'], policies.maxConcurrency, 1, MAX_CONCURRENCY),
    policies.pauseAfterFailures === null ? null : number(['pauseAfterFailures'], policies.pauseAfterFailures, 1, MAX_FAILURES),
    keyError('concurrencyKey', policies.concurrencyKey, ['policies', 'concurrencyKey']),
  ].filter((error) => error !== null)
}

function contradictions(policies: Policies): UserError[] {
  const errors: UserError[] = []
  if (policies.misfire === 'ALL' && !RUNS_EVERYTHING.includes(policies.overlap)) {
    errors.push(
      conflict(
        ['misfire'],
        `Misfire policy ALL runs several instants at once, which overlap policy ${policies.overlap} would skip or cancel. Use BUFFER_ALL or ALLOW_ALL with it.`,
      ),
    )
  }
  if (policies.catchupWindow < policies.misfireGrace) {
    errors.push(
      conflict(
        ['catchupWindow'],
        `The catch-up window (${formatDuration(policies.catchupWindow)}) is shorter than the misfire grace (${formatDuration(policies.misfireGrace)}): an instant would be on time and too old at once.`,
      ),
    )
  }
  if (policies.concurrencyKey !== null && policies.maxConcurrency === null) {
    errors.push(
      conflict(['maxConcurrency'], 'A concurrencyKey needs a maxConcurrency: how many runs that share the key may be under way at once.'),
    )
  }
  if (policies.concurrencyKey === null && policies.maxConcurrency !== null) {
    errors.push(conflict(['concurrencyKey'], 'A maxConcurrency needs a concurrencyKey: the name of what the runs share.'))
  }
  return errors
}

function conflict(path: readonly string[], message: string): UserError {
  return userError('CONFLICTING_POLICIES', ['policies', ...path], message)
}

function number(path: readonly string[], value: number, least: number, most: number): UserError | null {
  if (value >= least && value <= most) return null
  return userError('INVALID', ['policies', ...path], `${path.at(-1)} is ${value}; accepted: ${least} to ${most}.`)
}

function duration(path: readonly string[], value: Milliseconds, least: Milliseconds, most: Milliseconds): UserError | null {
  if (value >= least && value <= most) return null
  return userError(
    'INVALID',
    ['policies', ...path],
    `${path.at(-1)} is ${formatDuration(value)}; accepted: ${formatDuration(least)} to ${formatDuration(most)}.`,
  )
}
