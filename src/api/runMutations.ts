import type { RunRow } from '../engine/store/store.ts'
import { builder } from './builder.ts'
import { callerOf, freshRun } from './fresh.ts'
import { OverlapPolicyType } from './policies.ts'
import { RunType } from './run.ts'
import { payloadType, toPayload } from './userError.ts'

const IDEMPOTENCY_KEY =
  'Any text of yours, 1 to 200 characters, unique per job for 24 hours: the same call again answers the same run, another input under the same key IDEMPOTENCY_MISMATCH.'

const TriggerJobInput = builder.inputType('TriggerJobInput', {
  description: 'A job to run now.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The job, `job_…`.' }),
    payload: t.field({ type: 'JSON', description: "What the run is given. Left out: the job's payload." }),
    overlap: t.field({ type: OverlapPolicyType, description: "What to do while another run is active. Left out: the job's policy." }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY }),
  }),
})

const CancelRunInput = builder.inputType('CancelRunInput', {
  description: 'A run to cancel.',
  fields: (t) => ({ id: t.id({ required: true, description: 'The run, `run_…`.' }) }),
})

const RerunInput = builder.inputType('RerunInput', {
  description: 'A run to repeat.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The run to repeat, `run_…`.' }),
    payload: t.field({ type: 'JSON', description: 'What the new run is given. Left out: what the first was given.' }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY }),
  }),
})

const RetryRunNowInput = builder.inputType('RetryRunNowInput', {
  description: 'A run whose next attempt shall start.',
  fields: (t) => ({ id: t.id({ required: true, description: 'The run, `run_…`; one that is RETRYING.' }) }),
})

function runPayload(name: string, description: string) {
  return payloadType<RunRow | null>(name, description, (t) => ({
    run: t.field({
      type: RunType,
      nullable: true,
      description: 'The run as it now stands. Null: nothing was done.',
      resolve: ({ value }) => value,
    }),
  }))
}

const CancelRunPayload = runPayload('CancelRunPayload', 'What became of a cancellation.')
const RerunPayload = runPayload('RerunPayload', 'What became of a rerun.')
const RetryRunNowPayload = runPayload('RetryRunNowPayload', 'What became of a wait for the next attempt.')

const TriggerJobPayload = payloadType<{ readonly run: RunRow | null; readonly replayed: boolean }>(
  'TriggerJobPayload',
  'What became of a manual trigger.',
  (t) => ({
    run: t.field({
      type: RunType,
      nullable: true,
      description: 'The run. Null: nothing was done.',
      resolve: ({ value }) => value?.run ?? null,
    }),
    replayed: t.boolean({
      description: 'The idempotency key was known, and this is its first run.',
      resolve: ({ value }) => value?.replayed ?? false,
    }),
  }),
)

builder.mutationFields((t) => ({
  triggerJob: t.field({
    type: TriggerJobPayload,
    description: 'Runs a job now, paused or not. It never moves or counts as an instant of the schedule. Needs the scope OPERATE.',
    args: { input: t.arg({ type: TriggerJobInput, required: true, description: 'The job and what to give it.' }) },
    resolve: (_root, { input }, context) =>
      toPayload(context.commands.triggerJob(input, callerOf(context)), async ({ runId, replayed }) => ({
        run: await freshRun(context, runId),
        replayed,
      })),
  }),
  cancelRun: t.field({
    type: CancelRunPayload,
    description: 'Cancels a run: one that waits at once, one under way within 10 s. Needs the scope OPERATE.',
    args: { input: t.arg({ type: CancelRunInput, required: true, description: 'The run.' }) },
    resolve: (_root, { input }, context) =>
      toPayload(context.commands.cancelRun(input, callerOf(context)), ({ runId }) => freshRun(context, runId)),
  }),
  rerun: t.field({
    type: RerunPayload,
    description: 'A new run with the same job and payload, linked to the one it repeats. Needs the scope OPERATE.',
    args: { input: t.arg({ type: RerunInput, required: true, description: 'The run.' }) },
    resolve: (_root, { input }, context) =>
      toPayload(context.commands.rerun(input, callerOf(context)), ({ runId }) => freshRun(context, runId)),
  }),
  retryRunNow: t.field({
    type: RetryRunNowPayload,
    description: 'The next attempt of a RETRYING run starts now; how many it has left does not change. Needs the scope OPERATE.',
    args: { input: t.arg({ type: RetryRunNowInput, required: true, description: 'The run.' }) },
    resolve: (_root, { input }, context) =>
      toPayload(context.commands.retryRunNow(input, callerOf(context)), ({ runId }) => freshRun(context, runId)),
  }),
}))
