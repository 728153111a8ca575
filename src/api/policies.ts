import type { Backoff, MisfirePolicy, OverlapPolicy, Policies } from '../domain/job.ts'
import { builder, described } from './builder.ts'

export const OverlapPolicyType = builder.enumType('OverlapPolicy', {
  description: 'What becomes of a new run while the job has an active one, of any trigger.',
  values: described<OverlapPolicy>({
    SKIP: 'The new one is not run.',
    BUFFER_ONE: 'One scheduled run waits; newer ones are skipped.',
    BUFFER_ALL: 'All wait and run in order, up to 1,000.',
    CANCEL_OTHER: 'The active ones are asked to cancel; the new one starts when they have ended.',
    ALLOW_ALL: 'It runs beside them.',
  }),
})

const MisfirePolicyType = builder.enumType('MisfirePolicy', {
  description: 'What becomes of instants that were not decided on time, as after a stop of the server.',
  values: described<MisfirePolicy>({
    LATEST: 'One run for all of them: the newest, which says how many it stands for.',
    ALL: 'Each runs, oldest first, up to the newest 1,000.',
    NONE: 'None runs; they are recorded as missed.',
  }),
})

const BackoffType = builder.objectRef<Backoff>('Backoff').implement({
  description: 'How long a failed run waits before its next attempt.',
  fields: (t) => ({
    initial: t.field({ type: 'Duration', description: 'The wait after the first attempt.', resolve: (backoff) => backoff.initial }),
    factor: t.exposeFloat('factor', { description: 'By what each further wait grows.' }),
    max: t.field({ type: 'Duration', description: 'No wait is longer.', resolve: (backoff) => backoff.max }),
    jitter: t.exposeBoolean('jitter', {
      description:
        'Whether a wait is drawn evenly from zero to the computed one, so that what failed together does not come back together.',
    }),
  }),
})

export const JobPoliciesType = builder.objectRef<Policies>('JobPolicies').implement({
  description: 'How a job behaves, defaults filled in.',
  fields: (t) => ({
    overlap: t.field({
      type: OverlapPolicyType,
      description: 'What becomes of a new run while another is active.',
      resolve: (policies) => policies.overlap,
    }),
    misfire: t.field({
      type: MisfirePolicyType,
      description: 'What becomes of instants that were not decided on time.',
      resolve: (policies) => policies.misfire,
    }),
    misfireGrace: t.field({
      type: 'Duration',
      description: 'The newest instant is on time when decided at most so long after it was due.',
      resolve: (policies) => policies.misfireGrace,
    }),
    catchupWindow: t.field({
      type: 'Duration',
      description: 'Instants older than this are never caught up.',
      resolve: (policies) => policies.catchupWindow,
    }),
    maxAttempts: t.exposeInt('maxAttempts', {
      description: 'Attempts of a run, the first included. Attempts interrupted by an orderly shutdown do not count.',
    }),
    backoff: t.field({ type: BackoffType, description: 'Waits between attempts.', resolve: (policies) => policies.backoff }),
    timeout: t.field({ type: 'Duration', description: 'Of one attempt.', resolve: (policies) => policies.timeout }),
    priority: t.exposeInt('priority', { description: '0 to 9: runs of a higher priority start first.' }),
    concurrencyKey: t.exposeString('concurrencyKey', {
      nullable: true,
      description: 'Runs of all jobs with this key share `maxConcurrency`. Null: no bound.',
    }),
    maxConcurrency: t.exposeInt('maxConcurrency', {
      nullable: true,
      description:
        'How many runs that share the key may be under way at once in the whole system; where jobs disagree, the smaller holds. Null without a key.',
    }),
    pauseAfterFailures: t.exposeInt('pauseAfterFailures', {
      nullable: true,
      description: 'Pause the job by itself after so many failed runs in a row. Null: never.',
    }),
  }),
})

const BackoffInput = builder.inputType('BackoffInput', {
  description: 'Waits between attempts. Left out: as it is, or the default; null: back to the default.',
  fields: (t) => ({
    initial: t.field({ type: 'Duration', description: 'The wait after the first attempt. Default 10 s.' }),
    factor: t.float({ description: 'By what each further wait grows, 1 to 100. Default 2.' }),
    max: t.field({ type: 'Duration', description: 'No wait is longer. Default 1 h.' }),
    jitter: t.boolean({ description: 'Draw each wait evenly from zero to the computed one. Default true.' }),
  }),
})

export const JobPoliciesInput = builder.inputType('JobPoliciesInput', {
  description: 'How a job shall behave. Left out: as it is, or the default; null: back to the default.',
  fields: (t) => ({
    overlap: t.field({ type: OverlapPolicyType, description: 'What becomes of a new run while another is active. Default SKIP.' }),
    misfire: t.field({
      type: MisfirePolicyType,
      description: 'What becomes of instants that were not decided on time. Default LATEST. ALL needs BUFFER_ALL or ALLOW_ALL.',
    }),
    misfireGrace: t.field({
      type: 'Duration',
      description: 'The newest instant is on time when decided at most so long after it was due. Default 60 s.',
    }),
    catchupWindow: t.field({
      type: 'Duration',
      description: 'Instants older than this are never caught up. Default 24 h; not shorter than `misfireGrace`.',
    }),
    maxAttempts: t.int({ description: 'Attempts of a run, the first included, 1 to 100. Default 3.' }),
    backoff: t.field({ type: BackoffInput, description: 'Waits between attempts; merged field by field.' }),
    timeout: t.field({ type: 'Duration', description: 'Of one attempt. Default 5 min.' }),
    priority: t.int({ description: '0 to 9: runs of a higher priority start first. Default 0.' }),
    concurrencyKey: t.string({ description: 'Runs of all jobs with this key share `maxConcurrency`. Default none.' }),
    maxConcurrency: t.int({ description: 'How many runs that share the key may be under way at once. Needed with a key, and only then.' }),
    pauseAfterFailures: t.int({ description: 'Pause the job by itself after so many failed runs in a row. Default never.' }),
  }),
})
