import type { LogLevel, Outcome } from '../domain/run.ts'
import type { BegunAttempt } from '../engine/store/store.ts'

/** Why an attempt is told to end. The signal's `reason`. */
export type AbortCause = 'timeout' | 'cancel' | 'shutdown' | 'lease-lost'

/** What performing an attempt may use: its facts, its signal, and where it tells of itself. */
export interface RunContext {
  readonly attempt: BegunAttempt
  /** Aborted with an AbortCause as its reason. */
  readonly signal: AbortSignal
  /** Never throws; lines beyond the product's limits are cut. `fields` must be JSON. */
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void
  /** 0..100; other values are clamped. */
  progress(percent: number): void
}

/**
 * Performs attempts of one kind of target. Always resolves, with an outcome: what a target does wrong is FAILED, never a rejection.
 * After an abort it resolves within 6 seconds, having ended whatever it started. It does not judge the abort: a target that
 * succeeded all the same is SUCCEEDED, one that was ended is CANCELLED (the caller knows whether that means timeout or shutdown).
 */
export interface Performer<T> {
  perform(target: T, context: RunContext): Promise<Outcome>
}
