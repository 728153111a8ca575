import { openPartsOn } from '../support/parts.ts'

// The tests of these parts once more, over Postgres.
openPartsOn('postgres')
await import('../stream/jobStream.test.ts')
await import('../stream/logStream.test.ts')
await import('../stream/onEngine.test.ts')
