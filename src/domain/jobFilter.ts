import type { Instant } from './instant.ts'
import { type Job, type JobState, jobState } from './job.ts'
import type { RunStatus } from './run.ts'
import { foldCase, searchTextOf } from './searchText.ts'

/** Which jobs: those for which all that is given holds; null: nothing is asked. A list means any of it, but of tags all. */
export interface JobFilter {
  readonly state: readonly JobState[] | null
  /** In name or description, whatever its case. */
  readonly search: string | null
  readonly tags: readonly string[] | null
  readonly handler: string | null
  readonly lastRunStatus: readonly RunStatus[] | null
}

/** What a command can change of a job that filters look at. */
export interface JobFacts {
  readonly state: JobState
  /** Case-folded. */
  readonly searchText: string
  readonly tags: readonly string[]
  readonly handler: string | null
}

/** What is known of a job that filters look at. */
export type KnownFacts = Partial<JobFacts & { readonly lastRunStatus: RunStatus | null }>

export function factsOf(job: Job, position: { readonly completed: boolean }, now: Instant): JobFacts {
  return {
    state: jobState(job, position, now),
    searchText: searchTextOf(job),
    tags: job.tags,
    handler: job.target.kind === 'handler' ? job.target.handler : null,
  }
}

/** The facts as they were before a change, as far as it touched them; null where it touched none. */
export function factsBefore(before: JobFacts, after: JobFacts): Partial<JobFacts> | null {
  const touched = (Object.keys(before) as (keyof JobFacts)[]).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
  return touched.length === 0 ? null : Object.fromEntries(touched.map((key) => [key, before[key]]))
}

/** Whether a job passes the filter. What is not known of it keeps it from nothing. */
export function mayMatch(filter: JobFilter, { state, searchText, tags, handler, lastRunStatus }: KnownFacts): boolean {
  return (
    (filter.state === null || state === undefined || filter.state.includes(state)) &&
    (filter.search === null || searchText === undefined || searchText.includes(foldCase(filter.search))) &&
    (filter.tags === null || tags === undefined || filter.tags.every((tag) => tags.includes(tag))) &&
    (filter.handler === null || handler === undefined || filter.handler === handler) &&
    (filter.lastRunStatus === null ||
      lastRunStatus === undefined ||
      (lastRunStatus !== null && filter.lastRunStatus.includes(lastRunStatus)))
  )
}
