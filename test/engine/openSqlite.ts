import type { TestContext } from 'node:test'
import { openEngine } from '../../src/engine/engine.ts'
import { keepingLog } from '../support/parts.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import type { TestDatabase } from './contract.ts'

export function sqliteUrl(): string {
  return `file:${temporaryDirectory()}/orrery.db`
}

/** A fresh SQLite file. */
export async function openSqliteDatabase(t: TestContext, databaseUrl = sqliteUrl()): Promise<TestDatabase> {
  return {
    async open(instanceId = 'ins_test') {
      const engine = await openEngine({ databaseUrl, instanceId, log: keepingLog().log })
      t.after(() => engine.close())
      return engine
    },
  }
}
