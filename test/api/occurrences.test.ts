import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NOON } from '../support/parts.ts'
import { type Api, openApi } from './api.ts'

const MINUTE = 60_000
const iso = (instant: number) => new Date(instant).toISOString()
const at = (minute: number) => NOON + minute * MINUTE

const LEDGER = `query ($id: ID!, $from: DateTime!, $to: DateTime!, $first: Int, $after: String, $last: Int, $before: String) {
  job(by: { id: $id }) { occurrences(from: $from, to: $to, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { at until count verdict reason run { id scheduledFor } } }
    nodes { count } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  } }
}`

interface Row {
  readonly at: string
  readonly until: string
  readonly count: number
  readonly verdict: string
  readonly run: { readonly id: string; readonly scheduledFor: string } | null
}

async function pageOf(api: Api, id: string, from: number, to: number, page: object = {}) {
  const { job } = await api.get(LEDGER, { id, from: iso(from), to: iso(to), ...page })
  return job.occurrences
}

/** `VERDICT 1`, or `VERDICT 2..4 x3`: minutes after noon, and that of the run. */
function shown(page: { readonly edges: readonly { readonly node: Row }[] }): string[] {
  const minute = (instant: string) => String((Date.parse(instant) - NOON) / MINUTE)
  return page.edges.map(({ node }) => {
    const where = node.count === 1 ? minute(node.at) : `${minute(node.at)}..${minute(node.until)} x${node.count}`
    return `${node.verdict} ${where}${node.run === null ? '' : ` run ${minute(node.run.scheduledFor)}`}`
  })
}

/** A job every minute: a run at 1, then down until 6, which coalesces 2 to 5 into it. */
async function afterAnOutage(api: Api): Promise<string> {
  const id = await api.create({ policies: { overlap: 'ALLOW_ALL' } })
  for (const minute of [1, 6]) {
    api.clock.instant = at(minute)
    await api.scheduler.tick()
  }
  return id
}

describe('the ledger of a job', () => {
  it('tells what became of each instant, and what is planned', async (t) => {
    const api = await openApi(t)
    const id = await afterAnOutage(api)
    const page = await pageOf(api, id, NOON, at(10))
    assert.deepEqual(shown(page), ['RUN 1 run 1', 'COALESCED 2..5 x4 run 6', 'RUN 6 run 6', 'PLANNED 7..9 x3'])
    assert.deepEqual(page.pageInfo.hasNextPage || page.pageInfo.hasPreviousPage, false)
  })

  it('says why an instant did not run', async (t) => {
    const api = await openApi(t)
    const id = await api.create({ policies: { misfire: 'NONE' } })
    api.clock.instant = at(3)
    await api.scheduler.tick()
    const { edges } = await pageOf(api, id, NOON, at(3))
    assert.deepEqual(edges[0].node, {
      at: iso(at(1)),
      until: iso(at(2)),
      count: 2,
      verdict: 'MISSED',
      reason: 'Not decided on time, and the misfire policy is NONE.',
      run: null,
    })
  })

  it('is cut to the window, rows that reach over its edges too', async (t) => {
    const api = await openApi(t)
    const id = await afterAnOutage(api)
    assert.deepEqual(shown(await pageOf(api, id, at(3), at(5))), ['COALESCED 3..4 x2 run 6'])
    assert.deepEqual(shown(await pageOf(api, id, at(2) + 1, at(3))), [])
    assert.deepEqual(shown(await pageOf(api, id, at(8), at(9))), ['PLANNED 8'])
  })

  it('has as planned what is past but not decided yet', async (t) => {
    const api = await openApi(t)
    const id = await afterAnOutage(api)
    api.clock.instant = at(8)
    assert.deepEqual(shown(await pageOf(api, id, at(6), at(10))), ['RUN 6 run 6', 'PLANNED 7..9 x3'])
  })

  it('plans after the end of a pause, and nothing while it has none', async (t) => {
    const api = await openApi(t)
    const id = await afterAnOutage(api)
    await api.commands.pauseJob({ id, note: 'n', until: at(9) }, { name: 'ada' })
    assert.deepEqual(shown(await pageOf(api, id, at(7), at(12))), ['PLANNED 9..11 x3'])
    await api.commands.pauseJob({ id, note: 'n' }, { name: 'ada' })
    assert.deepEqual(shown(await pageOf(api, id, at(7), at(12))), [])
  })

  it('plans nothing within a pause of the whole scheduling', async (t) => {
    const api = await openApi(t)
    const id = await afterAnOutage(api)
    await api.commands.pauseScheduling({ note: 'n', until: at(9) }, { name: 'ada' })
    assert.deepEqual(shown(await pageOf(api, id, at(7), at(12))), ['PLANNED 9..11 x3'])
  })

  it('plans no more runs than maxRuns leaves', async (t) => {
    const api = await openApi(t)
    const id = await api.create({ schedule: { interval: { every: MINUTE, maxRuns: 3 } } })
    assert.deepEqual(shown(await pageOf(api, id, NOON, at(100))), ['PLANNED 1..3 x3'])
    for (const minute of [1, 2, 3]) {
      api.clock.instant = at(minute)
      await api.scheduler.tick()
    }
    assert.deepEqual(shown(await pageOf(api, id, at(3), at(100))), ['SKIPPED_OVERLAP 3', 'PLANNED 4..5 x2'])
  })

  it('goes on across an edit, each part under its own schedule', async (t) => {
    const api = await openApi(t)
    const id = await api.create({ policies: { misfire: 'NONE' } })
    api.clock.instant = at(4)
    await api.commands.updateJob({ id, schedule: { interval: { every: 2 * MINUTE } } }, { name: 'ada' })
    api.clock.instant = at(10) + 30_000
    await api.scheduler.tick()
    assert.deepEqual(shown(await pageOf(api, id, at(2), at(13))), [
      'MISSED 2..3 x2',
      'RUN 4 run 4',
      'MISSED 6..8 x2',
      'SKIPPED_OVERLAP 10',
      'PLANNED 12',
    ])
  })

  it('gives no run of a row whose run was removed', async (t) => {
    const api = await openApi(t)
    const id = await afterAnOutage(api)
    await api.tamper('DELETE FROM "Run"')
    assert.deepEqual(shown(await pageOf(api, id, NOON, at(6))), ['COALESCED 2..5 x4'])
  })
})

describe('pages of a ledger', () => {
  /** Runs and pairs of missed instants in turn, and what is planned. */
  async function longLedger(api: Api): Promise<string> {
    const id = await api.create({ policies: { misfire: 'NONE', overlap: 'ALLOW_ALL' } })
    for (const minute of [3, 6, 9, 12]) {
      api.clock.instant = at(minute)
      await api.scheduler.tick()
    }
    return id
  }
  const whole = [
    'MISSED 1..2 x2',
    'RUN 3 run 3',
    'MISSED 4..5 x2',
    'RUN 6 run 6',
    'MISSED 7..8 x2',
    'RUN 9 run 9',
    'MISSED 10..11 x2',
    'RUN 12 run 12',
    'PLANNED 13..14 x2',
  ]

  for (const size of [1, 2, 4, 9]) {
    it(`of ${size} hold all of it, each row once, forward and backward`, async (t) => {
      const api = await openApi(t)
      const id = await longLedger(api)
      const forward: string[] = []
      for (let page = await pageOf(api, id, NOON, at(15), { first: size }); ; ) {
        forward.push(...shown(page))
        if (!page.pageInfo.hasNextPage) break
        page = await pageOf(api, id, NOON, at(15), { first: size, after: page.pageInfo.endCursor })
        assert.equal(page.pageInfo.hasPreviousPage, true)
      }
      assert.deepEqual(forward, whole)
      const backward: string[] = []
      for (let page = await pageOf(api, id, NOON, at(15), { last: size }); ; ) {
        backward.unshift(...shown(page))
        if (!page.pageInfo.hasPreviousPage) break
        page = await pageOf(api, id, NOON, at(15), { last: size, before: page.pageInfo.startCursor })
        assert.equal(page.pageInfo.hasNextPage, true)
      }
      assert.deepEqual(backward, whole)
    })
  }

  it('of a paused job that the planner lets sleep say so, as it will be stored', async (t) => {
    const api = await openApi(t)
    const id = await api.create({})
    api.clock.instant = at(2)
    await api.scheduler.tick()
    await api.commands.pauseJob({ id, note: 'disks' }, { name: 'ada' })
    api.clock.instant = at(5) + 1
    await api.scheduler.tick()
    const whole = await pageOf(api, id, NOON, at(9))
    assert.deepEqual(shown(whole), ['COALESCED 1 run 2', 'RUN 2 run 2', 'SKIPPED_PAUSED 3..5 x3'])
    assert.equal(whole.edges.at(-1).node.reason, 'Paused: disks')
    assert.deepEqual(shown(await pageOf(api, id, at(4), at(5))), ['SKIPPED_PAUSED 4'])
    await api.commands.resumeJob({ id }, { name: 'ada' })
    const { edges } = await pageOf(api, id, NOON, at(6))
    assert.deepEqual(edges, whole.edges)
  })

  it('go on with what a row has grown by since', async (t) => {
    const api = await openApi(t)
    const id = await api.create({})
    await api.commands.pauseJob({ id, note: 'n' }, { name: 'ada' })
    const close = () => api.commands.pauseJob({ id, note: 'n' }, { name: 'ada' })
    api.clock.instant = at(2)
    await close()
    const page = await pageOf(api, id, NOON, at(15))
    assert.deepEqual(shown(page), ['SKIPPED_PAUSED 1..2 x2'])
    api.clock.instant = at(5)
    await close()
    assert.deepEqual(shown(await pageOf(api, id, NOON, at(15), { after: page.pageInfo.endCursor })), ['SKIPPED_PAUSED 3..5 x3'])
  })
})

describe('a window', () => {
  it('that ends before it begins is refused with what is accepted', async (t) => {
    const api = await openApi(t)
    const id = await api.create({})
    const variables = { id, from: iso(at(1)), to: iso(NOON) }
    const message = '`to` is 2026-06-10T12:00:00.000Z, before `from` (2026-06-10T12:01:00.000Z); accepted: an instant not before `from`.'
    assert.deepEqual(await api.refusal(LEDGER, variables), { code: 'BAD_USER_INPUT', message })
  })

  it('that ends where it begins holds nothing', async (t) => {
    const api = await openApi(t)
    const id = await afterAnOutage(api)
    assert.deepEqual(shown(await pageOf(api, id, at(1), at(1))), [])
  })

  it('may reach over all of time: more instants than can be counted come in several rows', async (t) => {
    const api = await openApi(t)
    const id = await api.create({ schedule: { interval: { every: 1_000 } } })
    const window = { id, from: '0000-01-01T00:00:00Z', to: '9999-12-31T23:59:59.999Z' }
    const rowsOf = async (page: object) => (await api.get(LEDGER, { ...window, ...page })).job.occurrences
    const counts: number[] = []
    let last = NOON
    for (let page = await rowsOf({ first: 50 }); ; page = await rowsOf({ first: 50, after: page.pageInfo.endCursor })) {
      for (const { node } of page.edges) {
        assert.equal(Date.parse(node.at), last + 1_000)
        counts.push(node.count)
        last = Date.parse(node.until)
      }
      if (!page.pageInfo.hasNextPage) break
    }
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      Math.floor((Date.parse(window.to) - 1 - NOON) / 1_000),
    )
    const { edges } = await rowsOf({ last: 2 })
    assert.deepEqual(
      edges.map(({ node }: { node: Row }) => node.count),
      counts.slice(-2),
    )
  })

  it('has a place for cursors that somebody made up', async (t) => {
    const api = await openApi(t)
    const id = await afterAnOutage(api)
    const cursor = (...parts: unknown[]) => Buffer.from(JSON.stringify([`LEDGER.${id}`, ...parts])).toString('base64url')
    for (const [after, first] of [
      [cursor(at(2), 'x'), 'COALESCED 3..5 x3 run 6'],
      [cursor(at(2) + 0.5, 'x'), 'RUN 1 run 1'],
      [cursor(null, ''), 'RUN 1 run 1'],
      [cursor(1e300, '1e300'), 'RUN 1 run 1'],
      [cursor(0, String(at(5))), 'RUN 6 run 6'],
    ] as const)
      assert.equal(shown(await pageOf(api, id, NOON, at(10), { after }))[0], first)
  })

  it('of another job or a cursor that is none is told', async (t) => {
    const api = await openApi(t)
    const id = await afterAnOutage(api)
    const { pageInfo } = await pageOf(api, id, NOON, at(3))
    const other = await api.create({ name: 'other' })
    for (const after of [pageInfo.endCursor, 'x']) {
      const { code } = await api.refusal(LEDGER, { id: other, from: iso(NOON), to: iso(at(3)), after })
      assert.equal(code, 'BAD_USER_INPUT')
    }
  })
})
