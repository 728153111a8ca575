import type { AttemptStatus, RunError } from '../domain/run.ts'
import type { RunRow } from '../engine/store/store.ts'
import { type AttemptRecord, builder, described } from './builder.ts'

const AttemptStatusType = builder.enumType('AttemptStatus', {
  description: 'How one attempt stands, or ended.',
  values: described<AttemptStatus>({
    RUNNING: 'Under way.',
    SUCCEEDED: 'It did what it should.',
    FAILED: 'It did not; see its error.',
    TIMED_OUT: "It took longer than the job's timeout and was ended.",
    CANCELLED: 'It was ended because its run was cancelled.',
    LOST: 'Its worker died or lost its lease.',
    INTERRUPTED: 'It was ended by an orderly shutdown; it does not count towards maxAttempts.',
  }),
})

export const RunErrorType = builder.objectRef<RunError>('RunError').implement({
  description: 'Why an attempt or a run did not succeed.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'For machines: WORKER_LOST, TIMED_OUT, HTTP_500 and the like.' }),
    message: t.exposeString('message', { description: 'For people.' }),
    stack: t.exposeString('stack', { nullable: true, description: "The handler's stack trace. Null: there is none." }),
    retryable: t.exposeBoolean('retryable', {
      description: 'Whether another attempt may help. False: the handler or target said not to retry.',
    }),
  }),
})

export const AttemptType = builder.prismaObject('Attempt', {
  description: 'One try of a run by one worker.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: 'Counted from 1.' }),
    status: t.field({
      type: AttemptStatusType,
      description: 'How it stands, or ended.',
      resolve: (attempt) => attempt.status as AttemptStatus,
    }),
    startedAt: t.field({ type: 'DateTime', description: 'When it began.', resolve: (attempt) => attempt.startedAt }),
    finishedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it ended. Null: under way.',
      resolve: (attempt) => attempt.finishedAt,
    }),
    duration: t.field({
      type: 'Duration',
      nullable: true,
      description: 'From start to end. Null: under way.',
      resolve: ({ startedAt, finishedAt }) => (finishedAt === null ? null : finishedAt.getTime() - startedAt.getTime()),
    }),
    error: t.field({
      type: RunErrorType,
      nullable: true,
      description: 'Why it did not succeed. Null: it did, or is under way.',
      resolve: ({ error }) => (error === null ? null : (JSON.parse(error) as RunError)),
    }),
    instanceId: t.exposeID('instanceId', { nullable: true, description: 'The process that performed it.' }),
    jobVersion: t.exposeInt('jobVersion', { description: 'Version of the job at its start: target and policies were read then.' }),
  }),
})

/**
 * All attempts of a run, first to newest: the stored ones, and the newest where it stands on the run's own row alone. The two are
 * read one after the other, so a stored attempt may be newer than the row; then it tells more than the row does.
 */
export function attemptsOf(run: RunRow, stored: readonly AttemptRecord[]): AttemptRecord[] {
  const newestStored = stored.at(-1)?.number ?? 0
  if (run.attempt <= newestStored || run.attemptStatus === null || run.attemptStartedAt === null) return [...stored]
  const ended = run.finishedAt !== null
  return [
    ...stored,
    {
      runId: run.id,
      number: run.attempt,
      status: run.attemptStatus,
      startedAt: new Date(run.attemptStartedAt),
      finishedAt: run.finishedAt === null ? null : new Date(run.finishedAt),
      error: ended && run.error !== null ? JSON.stringify(run.error) : null,
      instanceId: run.instanceId,
      jobVersion: run.jobVersion ?? 0,
    },
  ]
}
