import type { UserError } from '../domain/errors.ts'
import type { Instant } from '../domain/instant.ts'
import type { OverlapPolicy } from '../domain/job.ts'
import type { PoliciesInput } from '../domain/policies.ts'
import type { ScheduleInput } from '../domain/scheduleInput.ts'
import type { TargetInput } from '../domain/target.ts'

export type { BackoffInput, PoliciesInput } from '../domain/policies.ts'
export type { HttpHeaderInput, HttpTargetInput, TargetInput } from '../domain/target.ts'

// What callers ask for, as the API hands it over: scalars are read (instants and durations in milliseconds, JSON as its value),
// `undefined` is "not given", `null` is "null was given". Whether it keeps the rules is for the commands to say.

export interface PauseInput {
  readonly note: string
  readonly until?: Instant | null | undefined
}

export interface CreateJobInput {
  readonly name: string
  readonly description?: string | null | undefined
  readonly tags?: readonly string[] | null | undefined
  readonly schedule: ScheduleInput
  readonly target?: TargetInput | null | undefined
  readonly payload?: unknown
  readonly policies?: PoliciesInput | null | undefined
  readonly pause?: PauseInput | null | undefined
  readonly onConflict: 'FAIL' | 'UPDATE' | 'KEEP'
}

export interface UpdateJobInput {
  readonly id: string
  readonly expectedVersion?: number | null | undefined
  readonly name?: string | null | undefined
  readonly description?: string | null | undefined
  readonly tags?: readonly string[] | null | undefined
  readonly schedule?: ScheduleInput | null | undefined
  readonly target?: TargetInput | null | undefined
  readonly payload?: unknown
  readonly policies?: PoliciesInput | null | undefined
}

export interface TriggerJobInput {
  readonly id: string
  readonly payload?: unknown
  readonly overlap?: OverlapPolicy | null | undefined
  readonly idempotencyKey?: string | null | undefined
}

export interface RerunInput {
  readonly id: string
  readonly payload?: unknown
  readonly idempotencyKey?: string | null | undefined
}

/** Both ends inclusive. */
export interface BackfillInput {
  readonly id: string
  readonly from: Instant
  readonly to: Instant
  readonly overlap?: OverlapPolicy | null | undefined
}

/** Who asks, for `triggeredBy` and `Pause.by`. */
export interface Caller {
  readonly name: string
}

/** What every command answers: its value, or what is wrong as data. Only what is no fault of the caller throws. */
export type CommandResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly errors: readonly UserError[] }
