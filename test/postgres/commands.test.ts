import { openPartsOn } from '../support/parts.ts'

// The tests of these parts once more, over Postgres.
openPartsOn('postgres')
await import('../commands/backfill.test.ts')
await import('../commands/commands.test.ts')
await import('../commands/editing.test.ts')
await import('../commands/idempotency.test.ts')
await import('../commands/pauses.test.ts')
