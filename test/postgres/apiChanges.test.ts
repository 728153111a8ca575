import { openPartsOn } from '../support/parts.ts'

// The tests of the API's changes once more, over Postgres. Left out: those of the audit, which write faults into the tables by hand as SQLite
// has them, and those of what an answer may hold, which compare two executions whose reads end in an order of their own on Postgres.
openPartsOn('postgres')
await import('../api/backfill.test.ts')
await import('../api/badInput.test.ts')
await import('../api/conservation.test.ts')
await import('../api/jobMutations.test.ts')
await import('../api/maintenance.test.ts')
await import('../api/occurrences.test.ts')
await import('../api/retryRunNow.test.ts')
await import('../api/system.test.ts')
