import type { Instant } from '../../domain/instant.ts'
import type { Policies, Target } from '../../domain/job.ts'
import type { NewRun } from '../../domain/run.ts'
import type { BegunAttempt } from './store.ts'

/** What an attempt needs of its job. */
export interface Definition {
  readonly name: string
  /** Of the job, as users see it. */
  readonly version: number
  readonly target: Target
  readonly policies: Policies
}

/** What a worker is given of a run whose attempt has begun at `now`. */
export function begunAttempt(
  run: Pick<NewRun, 'id' | 'jobId' | 'trigger' | 'scheduledFor' | 'dueAt' | 'coalesced' | 'payload'>,
  attempt: number,
  { name, version, target, policies }: Definition,
  now: Instant,
): BegunAttempt {
  return {
    runId: run.id,
    attempt,
    jobId: run.jobId,
    jobName: name,
    jobVersion: version,
    target,
    policies,
    trigger: run.trigger,
    scheduledFor: run.scheduledFor,
    dueAt: run.dueAt,
    startedAt: now,
    coalesced: run.coalesced,
    payload: run.payload,
  }
}

interface Entry extends Definition {
  readonly positionVersion: number
}

const CAPACITY = 20_000

/**
 * Remembers the part of jobs that attempts need, so that starting and settling a run reads narrow rows alone.
 *
 * An entry is good exactly as long as the job's position has the version it was read with. `JobPosition.version` rises with every
 * change of the job's definition: with commands, and with what the product does by itself (a pause that ends, a pause after too many
 * failures). `Job.version`, which users see, rises with commands alone; so the two are not the same number, and are only ever
 * compared with earlier values of themselves.
 */
export class RememberedDefinitions {
  readonly #entries = new Map<string, Entry>()

  /** The definition of a job whose position has this version; undefined where that is not known. */
  known(jobId: string, positionVersion: number): Definition | undefined {
    const entry = this.#entries.get(jobId)
    return entry?.positionVersion === positionVersion ? entry : undefined
  }

  remember(jobId: string, entry: Entry): void {
    if (this.#entries.size >= CAPACITY && !this.#entries.has(jobId)) this.#entries.delete(this.#entries.keys().next().value!)
    this.#entries.set(jobId, entry)
  }

  forget(): void {
    this.#entries.clear()
  }
}
