import { openPartsOn } from '../support/parts.ts'

// The tests of these parts once more, over Postgres.
openPartsOn('postgres')
await import('../scheduler/firing.test.ts')
await import('../scheduler/ledgerEnds.test.ts')
await import('../scheduler/maintenance.test.ts')
await import('../scheduler/retention.test.ts')
await import('../scheduler/unhandledRuns.test.ts')
await import('../worker/presence.test.ts')
