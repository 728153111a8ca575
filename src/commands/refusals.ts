import { type UserError, userError } from '../domain/errors.ts'
import type { Job } from '../domain/job.ts'

export function noSuchJob(id: string): UserError {
  return userError('NOT_FOUND', ['id'], `There is no job ${JSON.stringify(id)}.`)
}

export function noSuchRun(id: string): UserError {
  return userError('NOT_FOUND', ['id'], `There is no run ${JSON.stringify(id)}.`)
}

/** Refuses a lost update: the caller looked at another version than the one that stands. */
export function versionConflict(expected: number | null | undefined, job: Job): UserError | null {
  if (expected === null || expected === undefined || expected === job.version) return null
  return userError(
    'VERSION_CONFLICT',
    ['expectedVersion'],
    `The job is at version ${job.version}, not ${expected}: somebody changed it since. Read it again.`,
  )
}
