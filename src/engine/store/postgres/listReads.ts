import type { Lists } from '../store.ts'
import type { Reader } from './database.ts'
import { figureReads } from './figureReads.ts'
import { countJobs, listJobs } from './jobList.ts'
import { logLines } from './logLines.ts'
import { population } from './population.ts'
import { countRuns, listRuns, newestRuns } from './runList.ts'

/** Reads of lists and of figures, from the database itself or from a copy of it. */
export function listReads(reader: Reader): Lists {
  return {
    listJobs: (query) => listJobs(reader, query),
    countJobs: (filter) => countJobs(reader, filter),
    listRuns: (query) => listRuns(reader, query),
    countRuns: (filter) => countRuns(reader, filter),
    newestRuns: (jobIds, limit) => newestRuns(reader, jobIds, limit),
    logLines: (query) => logLines(reader, query),
    ...figureReads(reader),
    ...population(reader),
  }
}
