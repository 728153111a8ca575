import { openPartsOn } from '../support/parts.ts'

// The tests of these parts once more, over Postgres.
openPartsOn('postgres')
await import('../scheduler/conservation.test.ts')
