import { createHash } from 'node:crypto'
import { refused, userError } from '../domain/errors.ts'
import type { Job, OverlapPolicy } from '../domain/job.ts'
import { jsonText, keyError } from '../domain/jobFields.ts'
import { admitManual, occupancyUnder } from '../domain/overlap.ts'
import { KEY_KEPT } from '../domain/retention.ts'
import type { NewRun, RunTrigger } from '../domain/run.ts'
import type { JobSnapshot, JobWrite } from '../engine/store/store.ts'
import { type CommandContext, newId, type Refusal } from './context.ts'
import type { Caller, CommandResult, TriggerJobInput } from './inputs.ts'
import { noSuchJob } from './refusals.ts'

type Started = { readonly runId: string; readonly replayed: boolean }

/** Starts a run of its own, now. It never counts as an occurrence and moves nothing of the schedule. */
export function triggerJob(context: CommandContext, input: TriggerJobInput, caller: Caller): Promise<CommandResult<Started>> {
  return askForRun(context, {
    jobId: input.id,
    trigger: 'MANUAL',
    payload: input.payload,
    defaultPayload: (job) => job.payload,
    scheduledFor: null,
    rerunOfId: null,
    overlap: input.overlap ?? null,
    idempotencyKey: input.idempotencyKey ?? null,
    caller,
  })
}

/** A run that a caller asks for, as `triggerJob` and `rerun` share it. */
export interface RunRequest {
  readonly jobId: string
  readonly trigger: Extract<RunTrigger, 'MANUAL' | 'RERUN'>
  /** undefined: the default. */
  readonly payload: unknown
  readonly defaultPayload: (job: Job) => string | null
  /** null: now. */
  readonly scheduledFor: number | null
  readonly rerunOfId: string | null
  /** null: the job's policy. */
  readonly overlap: OverlapPolicy | null
  readonly idempotencyKey: string | null
  readonly caller: Caller
}

/** Stores the run, replays the one that its idempotency key names, or says why neither. Refused calls leave no trace. */
export async function askForRun(context: CommandContext, request: RunRequest): Promise<CommandResult<Started>> {
  const given = request.payload === undefined ? null : jsonText(request.payload, ['payload'])
  const faults = [given?.error ?? null, keyError('idempotencyKey', request.idempotencyKey, ['idempotencyKey'])].filter(
    (error) => error !== null,
  )
  if (faults.length > 0) return refused(...faults)
  if (given !== null) {
    const current = await context.store.job({ id: request.jobId })
    const misfits =
      current === null
        ? [noSuchJob(request.jobId)]
        : (await context.targetRules.check({ target: current.job.target, payload: given.text })).filter(
            (error) => error.path[0] === 'payload',
          )
    if (misfits.length > 0) return refused(...misfits)
  }

  const hash = request.idempotencyKey === null ? null : hashOf(request)
  let started: Started | null = null
  const result = await context.store.changeJob<Refusal>(
    request.jobId,
    (current) => {
      started = null
      if (current === null) return { refuse: [noSuchJob(request.jobId)] }
      const now = context.now()
      const known = current.idempotent !== null && now - current.idempotent.queuedAt < KEY_KEPT ? current.idempotent : null
      if (known !== null && known.hash !== hash) {
        return {
          refuse: [
            userError(
              'IDEMPOTENCY_MISMATCH',
              ['idempotencyKey'],
              `The key was used for ${known.runId} with another input. Use another key, or the same input.`,
            ),
          ],
        }
      }
      if (known !== null) {
        started = { runId: known.runId, replayed: true }
        return { event: null, now }
      }
      const decision = admit(request, current, given === null ? request.defaultPayload(current.job) : given.text, hash, now)
      if ('refuse' in decision) return decision
      started = { runId: decision.runs[0].id, replayed: false }
      return current.idempotent === null ? decision : { ...decision, freeIdempotencyKey: request.idempotencyKey! }
    },
    { idempotencyKey: request.idempotencyKey },
  )
  if (result.kind === 'refused') return refused(...result.refusal)
  return { ok: true, value: started! }
}

function admit(
  request: RunRequest,
  current: JobSnapshot,
  payload: string | null,
  hash: string | null,
  now: number,
): (JobWrite & { readonly runs: readonly [NewRun] }) | { readonly refuse: Refusal } {
  const { job } = current
  const overlap = request.overlap ?? job.policies.overlap
  const admission = admitManual(overlap, occupancyUnder(overlap, current))
  if (admission.kind === 'skip') {
    return {
      refuse: [
        userError(
          'OVERLAP',
          ['overlap'],
          `${admission.reason} The overlap policy is ${request.overlap ?? job.policies.overlap}; give another with this call, or wait.`,
        ),
      ],
    }
  }
  const run: NewRun = {
    id: newId('run', now),
    jobId: job.id,
    trigger: request.trigger,
    occurrence: null,
    counted: true,
    scheduledFor: request.scheduledFor ?? now,
    dueAt: now,
    queuedAt: now,
    heldBy: admission.kind === 'start' ? null : 'OVERLAP',
    priority: job.policies.priority,
    concurrencyKey: job.policies.concurrencyKey,
    maxConcurrency: job.policies.maxConcurrency,
    coalesced: 0,
    payload,
    rerunOfId: request.rerunOfId,
    triggeredBy: request.caller.name,
    idempotencyKey: request.idempotencyKey,
    idempotencyHash: hash,
  }
  return { runs: [run], cancels: admission.kind === 'replace' ? current.active.map((other) => other.id) : [], event: null, now }
}

/** Equal inputs have equal hashes, whatever the order of an object's keys. */
function hashOf({ trigger, payload, overlap, rerunOfId }: RunRequest): string {
  return createHash('sha256')
    .update(JSON.stringify(canonical({ trigger, payload, overlap, rerunOfId })))
    .digest('base64url')
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, canonical(item)]),
  )
}
