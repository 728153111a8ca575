import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Database, type Effects } from '../../src/engine/store/postgres/database.ts'
import { closePool, openPool } from '../../src/engine/store/postgres/pool.ts'
import { keepingLog } from '../support/parts.ts'
import { createPostgresDatabase } from '../support/postgres.ts'

describe('a transaction on Postgres', () => {
  it('is not taken for stored where a statement of it failed, though whoever made it did not mind', async (t) => {
    const { db, committed } = await openDatabase(t)
    const careless = db.transaction(async (tx) => {
      await tx.write(`INSERT INTO "Setting" (name, value) VALUES ('a', '1')`)
      await tx.write(`INSERT INTO "Setting" (name, value) VALUES ('a', '2')`).catch(() => {})
    })
    await assert.rejects(careless, /taken back/)
    assert.deepEqual([committed.length, await db.rows(`SELECT 1 FROM "Setting" WHERE name = 'a'`)], [0, []])
    // The connection is as good as before.
    assert.equal(await db.transaction((tx) => tx.write(`INSERT INTO "Setting" (name, value) VALUES ('a', '3')`)), 1)
    assert.equal(committed.length, 1)
  })

  it('is made again where it gave way to another one, and tells what it did once', async (t) => {
    const { db, committed } = await openDatabase(t)
    await db.write(`INSERT INTO "Setting" (name, value) VALUES ('a', ''), ('b', '')`)
    const append = (name: string) => `UPDATE "Setting" SET value = value || 'x' WHERE name = '${name}'`
    let met = 0
    let meet = () => {}
    const both = new Promise<void>((resolve) => {
      meet = resolve
    })
    const crossing = (first: string, then: string) =>
      db.transaction(async (tx) => {
        await tx.write(append(first))
        if (++met === 2) meet()
        await both
        await tx.write(append(then))
        await tx.cursors(1)
      })
    await Promise.all([crossing('a', 'b'), crossing('b', 'a')])
    assert.deepEqual(await db.rows(`SELECT value FROM "Setting" WHERE name IN ('a', 'b')`), [{ value: 'xx' }, { value: 'xx' }])
    assert.equal(committed.length, 2)
    assert.equal(met, 3)
  })

  it('reads what is newest under the locks that it took, whatever the server does unless told', async (t) => {
    const { db } = await openDatabase(t, '?options=-c%20default_transaction_isolation=serializable')
    const isolation = await db.transaction((tx) => tx.rows('SHOW transaction_isolation'))
    assert.deepEqual(isolation, [{ transaction_isolation: 'read committed' }])
  })
})

async function openDatabase(t: TestContext, options = '') {
  const { url: plain, drop } = await createPostgresDatabase()
  const url = plain + options
  const pool = openPool({ url, applicationName: 'orrery:ins_test', log: keepingLog().log })
  t.after(async () => {
    await closePool(pool)
    await drop()
  })
  const committed: Effects[] = []
  return { committed, db: new Database(pool, { beforeCommit: async () => {}, afterCommit: (effects) => committed.push(effects) }) }
}
