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
  const open = () => openEngine({ databaseUrl: `file:${file}`, instanceId: 'ins_test', log })
  const engine = await open()
  const db = new Database(file, { readonly: true })
  const lengths = db.prepare<[], Lengths>('PRAGMA wal_checkpoint(NOOP)')
  return {
    store: engine.store,
    lengths: () => lengths.get()!,
    reopen: open,
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

  it('is copied beside commits that never pause, and begins anew', async () => {
    const { store, lengths, close } = await openFile()
    let longest = 0
    let began = false
    while (!began) {
      // A few at a time: a commit in each turn of the loop.
      await store.createJobs(Array.from({ length: 50 }, () => newJobOf()))
      const { log } = lengths()
      began = log < longest
      longest = Math.max(longest, log)
      assert.ok(longest < 32_000, 'before the limit within commits is reached')
    }
    await close()
  })

  it('is copied to the end of the file by a close, and what was written stands', async () => {
    const { store, lengths, close, reopen } = await openFile()
    const jobs = manyJobs()
    await store.createJobs(jobs)
    while (lengths().checkpointed === 0) await delay(5)
    await store.createJobs([newJobOf({ name: 'last' })])
    await close()
    const again = await reopen()
    assert.equal((await again.store.job({ name: 'last' }))?.job.name, 'last')
    assert.equal((await again.store.jobsById(jobs.map(({ job }) => job.id))).length, jobs.length)
    await again.close()
  })
})
