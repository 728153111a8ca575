import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { auditLedger } from '../../src/api/audit.ts'
import { caller, NOON } from '../support/parts.ts'
import { type Api, openApi } from './api.ts'

const MINUTE = 60_000
const iso = (instant: number) => new Date(instant).toISOString()
const at = (minute: number) => NOON + minute * MINUTE

const AUDIT = `query ($id: ID!, $from: DateTime!, $to: DateTime!) {
  job(by: { id: $id }) { audit(from: $from, to: $to) { from to planned accounted pending missing duplicated } }
}`

async function auditOf(api: Api, id: string, from = NOON, to = at(60)) {
  return (await api.get(AUDIT, { id, from: iso(from), to: iso(to) })).job.audit
}

/** What an audit finds: `planned accounted pending missing duplicated`. */
async function figuresOf(api: Api, id: string, from = NOON, to = at(60)): Promise<string> {
  const { planned, accounted, pending, missing, duplicated } = await auditOf(api, id, from, to)
  return [planned, accounted, pending, missing, duplicated].join(' ')
}

/** A job every minute: a run at 1 and 2, down until 6, which coalesces 3 to 5 into it, paused at 7 and 8. */
async function openLedger(t: Parameters<typeof openApi>[0]) {
  const api = await openApi(t)
  const id = await api.create({ policies: { overlap: 'ALLOW_ALL' } })
  for (const minute of [1, 2, 6]) {
    api.clock.instant = at(minute)
    await api.scheduler.tick()
  }
  await api.commands.pauseJob({ id, note: 'n' }, caller)
  api.clock.instant = at(8)
  await api.commands.resumeJob({ id }, caller)
  return { api, id }
}

/** A job every second with so many rows of missed instants, as if no two of them had agreed. */
async function manyRows(api: Api, rows: number, instants: number): Promise<string> {
  const id = await api.create({ schedule: { interval: { every: 1_000 } } })
  await api.commands.pauseJob({ id, note: 'n' }, caller)
  api.clock.instant = NOON + rows * instants * 1_000
  await api.commands.resumeJob({ id }, caller)
  api.tamper('DELETE FROM "Verdict"')
  api.tamper(
    `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < @rows - 1)
     INSERT INTO "Verdict" (id, "jobId", revision, verdict, "first", "last", count)
     SELECT 'ver_' || i, @id, 1, 'MISSED', @noon + (i * @instants + 1) * 1000, @noon + (i + 1) * @instants * 1000, @instants FROM n`,
    { id, rows, instants, noon: NOON },
  )
  return id
}

describe('an audit', () => {
  it('of a healthy ledger counts the same on both sides', async (t) => {
    const { api, id } = await openLedger(t)
    assert.deepEqual(await auditOf(api, id), {
      from: iso(NOON),
      to: iso(at(60)),
      planned: 8,
      accounted: 8,
      pending: 0,
      missing: 0,
      duplicated: 0,
    })
  })

  it('counts the past alone, and as pending what the planner has not come to', async (t) => {
    const { api, id } = await openLedger(t)
    api.clock.instant = at(10) + 1
    assert.equal(await figuresOf(api, id), '10 8 2 0 0')
  })

  it('has as pending an instant whose jitter is not over', async (t) => {
    const api = await openApi(t)
    const id = await api.create({ schedule: { interval: { every: MINUTE, jitter: MINUTE - 1 } } })
    api.clock.instant = at(1)
    await api.scheduler.tick()
    assert.equal(await figuresOf(api, id), '1 0 1 0 0')
  })

  it('cuts rows to its window', async (t) => {
    const { api, id } = await openLedger(t)
    assert.equal(await figuresOf(api, id, at(4), at(6)), '2 2 0 0 0')
    assert.equal(await figuresOf(api, id, at(4) + 1, at(5)), '0 0 0 0 0')
  })

  it('of a window in the future, or without width, has nothing to compare', async (t) => {
    const { api, id } = await openLedger(t)
    assert.equal(await figuresOf(api, id, at(20), at(30)), '0 0 0 0 0')
    assert.equal(await figuresOf(api, id, at(3), at(3)), '0 0 0 0 0')
  })

  it('begins where the ledger does: with the job, or with what is kept', async (t) => {
    const { api, id } = await openLedger(t)
    assert.equal((await auditOf(api, id, NOON - 5 * MINUTE)).from, iso(NOON))
    api.tamper(`INSERT INTO "Setting" (name, value) VALUES ('ledgerBegins', ?)`, String(at(4)))
    const kept = await auditOf(api, id)
    assert.deepEqual([kept.from, kept.planned, kept.accounted], [iso(at(4)), 5, 5])
    assert.deepEqual([(await auditOf(api, id, NOON, at(2))).from, await figuresOf(api, id, NOON, at(2))], [iso(at(2)), '0 0 0 0 0'])
  })

  it('of all of time is one of the life of the job', async (t) => {
    const { api, id } = await openLedger(t)
    const audit = (await api.get(AUDIT, { id, from: '0000-01-01T00:00:00Z', to: '9999-12-31T23:59:59.999Z' })).job.audit
    assert.deepEqual([audit.from, audit.planned, audit.accounted], [iso(NOON), 8, 8])
  })

  it('of a window that ends before it begins is refused', async (t) => {
    const { api, id } = await openLedger(t)
    assert.equal((await api.refusal(AUDIT, { id, from: iso(at(1)), to: iso(NOON) })).code, 'BAD_USER_INPUT')
  })

  it('of more than ten million instants is refused, and says how many there are', async (t) => {
    const api = await openApi(t)
    const id = await api.create({ schedule: { interval: { every: 1_000 } } })
    api.clock.instant = NOON + 10_000_001_000
    const { code, message } = await api.refusal(AUDIT, { id, from: iso(NOON), to: iso(api.clock.instant + 1) })
    assert.equal(code, 'BAD_USER_INPUT')
    assert.equal(message, 'The window holds 10000001 instants; accepted: at most 10000000. Give a later `from` or an earlier `to`.')
    assert.equal(await figuresOf(api, id, NOON, api.clock.instant), '10000000 0 10000000 0 0')
  })

  it('finds no fault where the ledger goes on changing while it is read', async (t) => {
    const api = await openApi(t)
    const { store } = api.engine
    const id = await manyRows(api, 2_500, 4)
    const second = (n: number) => NOON + n * 1_000
    const changes = [
      () => api.commands.backfillJob({ id, from: second(1), to: second(500) }, caller),
      () => api.commands.updateJob({ id, schedule: { interval: { every: 2_000 } } }, caller),
      () => api.commands.backfillJob({ id, from: second(7_700), to: second(8_300) }, caller),
      () => api.scheduler.tick(),
    ]
    let slices = 0
    const changing = {
      ...store,
      async ledger(query: Parameters<typeof store.ledger>[0]) {
        if (slices++ > 0) for (const change of changes.splice(0, 2)) await change()
        api.clock.forward(3_000)
        return store.ledger(query)
      },
    }
    const row = (await store.job({ id }))!
    const now = api.clock.now()
    const audit = await auditLedger(changing, row, { from: NOON, to: now + 1 }, now)
    assert.deepEqual([audit!.planned, audit!.accounted, audit!.missing, audit!.duplicated], [10_000, 10_000, 0, 0])
    assert.ok(slices >= 3 && changes.length === 0, `${slices} slices`)
  })

  it('of a job that was deleted while it went on says nothing', async (t) => {
    const { api, id } = await openLedger(t)
    const row = await api.engine.store.job({ id })
    await api.commands.deleteJob({ id }, caller)
    assert.equal(await auditLedger(api.engine.store, row!, { from: NOON, to: at(8) }, at(8)), null)
  })
})

describe('an audit finds', () => {
  const ROW = `INSERT INTO "Verdict" (id, "jobId", revision, verdict, "first", "last", count) VALUES ('ver_x', ?, 1, 'MISSED', ?, ?, ?)`

  it('a run that is gone', async (t) => {
    const { api, id } = await openLedger(t)
    api.tamper('DELETE FROM "Run" WHERE occurrence = ?', at(2))
    assert.equal(await figuresOf(api, id), '8 7 0 1 0')
  })

  it('a row that is gone', async (t) => {
    const { api, id } = await openLedger(t)
    api.tamper(`DELETE FROM "Verdict" WHERE verdict = 'COALESCED'`)
    assert.equal(await figuresOf(api, id), '8 5 0 3 0')
  })

  it('a row beside a run', async (t) => {
    const { api, id } = await openLedger(t)
    api.tamper(ROW, id, at(2), at(2), 1)
    assert.equal(await figuresOf(api, id), '8 9 0 0 1')
  })

  it('a row across others', async (t) => {
    const { api, id } = await openLedger(t)
    api.tamper(ROW, id, at(2), at(7), 6)
    assert.equal(await figuresOf(api, id), '8 14 0 0 6')
  })

  it('a hole and a double that cancel each other', async (t) => {
    const { api, id } = await openLedger(t)
    api.tamper('DELETE FROM "Run" WHERE occurrence = ?', at(1))
    api.tamper(ROW, id, at(2), at(2), 1)
    assert.equal(await figuresOf(api, id), '8 8 0 1 1')
  })

  it('a run that was moved beside the plan', async (t) => {
    const { api, id } = await openLedger(t)
    api.tamper('UPDATE "Run" SET occurrence = occurrence + 1 WHERE occurrence = ?', at(2))
    assert.equal(await figuresOf(api, id), '8 8 0 1 1')
  })

  for (const [change, figures] of [
    [-1, '8 7 0 1 0'],
    [1, '8 9 0 0 1'],
  ] as const) {
    it(`a row whose count does not fit it, by ${change}`, async (t) => {
      const { api, id } = await openLedger(t)
      api.tamper(`UPDATE "Verdict" SET count = count + ? WHERE verdict = 'COALESCED'`, change)
      assert.equal(await figuresOf(api, id), figures)
    })
  }

  it('a run that says it does not count although it does', async (t) => {
    const { api, id } = await openLedger(t)
    api.tamper('UPDATE "Run" SET counted = 0 WHERE occurrence = ?', at(2))
    assert.equal(await figuresOf(api, id), '8 7 0 1 0')
  })

  it('a fault anywhere among thousands of rows', async (t) => {
    const api = await openApi(t)
    const id = await manyRows(api, 5_000, 1)
    assert.equal(await figuresOf(api, id, NOON, api.clock.now() + 1), '5000 5000 0 0 0')
    for (const second of [1, 1_000, 1_001, 2_500, 5_000]) api.tamper('DELETE FROM "Verdict" WHERE "first" = ?', NOON + second * 1_000)
    for (const second of [999, 3_000, 4_999])
      api.tamper(ROW.replace('ver_x', `ver_x${second}`), id, NOON + second * 1_000, NOON + second * 1_000, 1)
    assert.equal(await figuresOf(api, id, NOON, api.clock.now() + 1), '5000 4998 0 5 3')
  })
})
