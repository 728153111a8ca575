import { openPartsOn } from '../support/parts.ts'

// The tests of the API's reads once more, over Postgres.
openPartsOn('postgres')
await import('../api/batching.test.ts')
await import('../api/jobEvents.test.ts')
await import('../api/jobs.test.ts')
await import('../api/loaders.test.ts')
await import('../api/logs.test.ts')
await import('../api/pagination.test.ts')
await import('../api/runEvents.test.ts')
await import('../api/runs.test.ts')
await import('../api/stats.test.ts')
