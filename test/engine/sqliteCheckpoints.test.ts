import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { openEngine } from '../../src/engine/engine.ts'
import { keepingLog } from '../support/parts.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { newJobOf } from './factories.ts'

/** Pages in the write-ahead log, and how many of them were copied into the file; asking changes neither. */
interface Lengths {
  readonly log: number
  readonly checkpointed: number
}

async function openFile() {
  const file = join(temporaryDirectory(), 'orrery.db')
  const { log } = keepingLog()
  const engine = await openEngine({ databaseUrl: `file:${file}`, instanceId: 'ins_test', log })
  const db = new Database(file, { readonly: true })
  const lengths = db.prepare<[], Lengths>('PRAGMA wal_checkpoint(NOOP)')
  return {
    store: engine.store,
    lengths: () => lengths.get()!,
    async close() {
      db.close()
      await engine.close()
    },
  }
}

/** Jobs enough for more than a thousand pages of the log. */
const manyJobs = () => Array.from({ length: 3_000 }, () => newJobOf())

describe('the write-ahead log', () => {
  it('is copied into the file once nothing more is written', async () => {
    const { store, lengths, close } = await openFile()
    await store.createJobs(manyJobs())
    assert.ok(lengths().log >= 1_000, `${lengths().log} pages`)
    while (lengths().checkpointed < lengths().log) await delay(5)
    await close()
  })

  it('is not copied within the commits that follow each other', async () => {
    const { store, lengths, close } = await openFile()
    let longest = 0
    for (let i = 0; i < 5; i++) {
      await store.createJobs(manyJobs())
      const { log, checkpointed } = lengths()
      longest = Math.max(longest, log - checkpointed)
    }
    // In one commit after another SQLite's own limit holds alone, which lies higher.
    assert.ok(longest > 4_000, `${longest} pages`)
    await close()
  })
})
