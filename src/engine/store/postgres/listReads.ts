import type { Store } from '../store.ts'
import type { Session } from './database.ts'
import { countJobs, listJobs } from './jobList.ts'
import { ledger, revisions } from './ledger.ts'
import { logLines } from './logLines.ts'
import { countRuns, listRuns, newestRuns } from './runList.ts'

type ListReads = Pick<Store, 'listJobs' | 'countJobs' | 'listRuns' | 'countRuns' | 'newestRuns' | 'logLines' | 'revisions' | 'ledger'>

/** Reads of lists and of history: each is one statement, and none is needed to carry on. They may come from a copy that lags behind. */
export function listReads(session: Session): ListReads {
  return {
    listJobs: (query) => listJobs(session, query),
    countJobs: (filter) => countJobs(session, filter),
    listRuns: (query) => listRuns(session, query),
    countRuns: (filter) => countRuns(session, filter),
    newestRuns: (jobIds, limit) => newestRuns(session, jobIds, limit),
    logLines: (query) => logLines(session, query),
    revisions: (jobId) => revisions(session, jobId),
    ledger: (query) => ledger(session, query),
  }
}
