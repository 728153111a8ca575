// `npm run --silent signing-secret`: prints the secret that the server signs webhook requests with, and nothing else.
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { ConfigError, environment, readConfig } from './config.ts'
import { webhookSecret } from './domain/webhookSecret.ts'
import { openEngine } from './engine/engine.ts'
import { EngineStartError } from './engine/errors.ts'
import { createLog } from './log.ts'

/** Under which the database keeps it. */
const SETTING = 'signingSecret'

try {
  process.stdout.write(`${await signingSecret()}\n`)
} catch (error) {
  const expected = error instanceof ConfigError || error instanceof EngineStartError
  process.stderr.write(`${expected ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = 1
}

/** The configured one, else the one in the database; where there is none yet it is made, as the server's first start would. */
async function signingSecret(): Promise<string> {
  const { signingSecret: configured, databaseUrl } = readConfig(environment())
  if (configured !== null) return configured
  const log = createLog({ logLevel: 'error', logFormat: null })
  try {
    const engine = await openEngine({ databaseUrl, instanceId: 'signing-secret', log })
    try {
      return await engine.store.settleSetting(SETTING, webhookSecret(randomBytes(32)))
    } finally {
      await engine.close()
    }
  } catch (error) {
    // The server is running and holds the file; to read beside it is allowed.
    if (error instanceof EngineStartError && error.code === 'IN_USE') return readBeside(databaseUrl, error)
    throw error
  }
}

function readBeside(databaseUrl: string, inUse: EngineStartError): string {
  const file = databaseUrl.startsWith('file:///') ? fileURLToPath(databaseUrl) : databaseUrl.replace(/^file:/, '')
  const db = new Database(file, { readonly: true })
  try {
    const row = db.prepare<[string], { value: string }>('SELECT value FROM "Setting" WHERE name = ?').get(SETTING)
    if (row === undefined) throw inUse
    return row.value
  } finally {
    db.close()
  }
}
