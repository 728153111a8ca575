import type { TestContext } from 'node:test'
import { type Engine, openEngine } from '../../src/engine/engine.ts'
import { keepingLog } from '../support/parts.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import type { TestDatabase } from './contract.ts'

/** A fresh database of Postgres, migrated. Removed when the test ends, after its engines were closed. */
export async function openPostgresDatabase(t: TestContext): Promise<TestDatabase> {
  const { url, drop } = await createPostgresDatabase()
  const engines: Engine[] = []
  t.after(async () => {
    for (const engine of engines.reverse()) await engine.close()
    await drop()
  })
  return {
    async open(instanceId = 'ins_test') {
      const engine = await openEngine({ databaseUrl: url, instanceId, log: keepingLog().log })
      engines.push(engine)
      return engine
    },
  }
}
