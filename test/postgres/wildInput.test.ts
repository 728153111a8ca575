import { openPartsOn } from '../support/parts.ts'

// Any input to the API once more, over Postgres, which refuses more than SQLite does.
openPartsOn('postgres')
await import('../api/wildInput.test.ts')
