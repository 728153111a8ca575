import type { JobListFilter, Lists } from '../store.ts'
import type { Reader } from './database.ts'
import { figureReads } from './figureReads.ts'
import { countJobs, listJobs } from './jobList.ts'
import { logLines } from './logLines.ts'
import { READ_POOL_SIZE } from './pool.ts'
import { population } from './population.ts'
import { countRuns, listRuns, newestRuns } from './runList.ts'
import { SharedReads } from './sharedReads.ts'

/** Reads of lists and of figures, from the database itself or from a copy of it. Those that are asked for alike at once are read once. */
export function listReads(reader: Reader): Lists {
  const shared = new SharedReads(READ_POOL_SIZE)
  const { figures } = figureReads(reader)
  const { population: counts } = population(reader)
  return {
    listJobs: (query) => shared.read(asked('jobs', { ...query, filter: timeless(query.filter) }), () => listJobs(reader, query)),
    countJobs: (filter) => shared.read(asked('number of jobs', timeless(filter)), () => countJobs(reader, filter)),
    listRuns: (query) => shared.read(asked('runs', query), () => listRuns(reader, query)),
    countRuns: (filter) => shared.read(asked('number of runs', filter), () => countRuns(reader, filter)),
    newestRuns: (jobIds, limit) => shared.read(asked('newest runs', { jobIds, limit }), () => newestRuns(reader, jobIds, limit)),
    logLines: (query) => shared.read(asked('log lines', query), () => logLines(reader, query)),
    figures: (query) => shared.read(asked('figures', query), () => figures(query)),
    population: (now) => counts(now),
  }
}

function asked(kind: string, query: object): string {
  return JSON.stringify([kind, query])
}

/** The time of asking is part of a question only where it is asked what is paused then. */
function timeless(filter: JobListFilter): object {
  return filter.state === null ? { ...filter, now: null } : filter
}
