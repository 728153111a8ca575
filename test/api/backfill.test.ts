import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOON } from '../support/parts.ts'
import { type Api, openApi, problems } from './api.ts'

const MINUTE = 60_000
const iso = (minute: number) => new Date(NOON + minute * MINUTE).toISOString()

const BACKFILL = `mutation ($input: BackfillJobInput!, $first: Int, $after: String) {
  backfillJob(input: $input) {
    planned created errors { code message path }
    runs(first: $first, after: $after) {
      nodes { id scheduledFor trigger triggeredBy job { name lastRun { id } } } pageInfo { hasNextPage hasPreviousPage endCursor } totalCount
    }
  }
}`

async function afterAnOutage(api: Api): Promise<string> {
  const id = await api.create({ policies: { misfire: 'NONE' } })
  api.clock.instant = NOON + 10 * MINUTE
  await api.scheduler.tick()
  return id
}

interface Page {
  readonly nodes: readonly { readonly at: string; readonly until: string; readonly verdict: string }[]
  readonly pageInfo: {
    readonly hasNextPage: boolean
    readonly hasPreviousPage: boolean
    readonly startCursor: string
    readonly endCursor: string
  }
}

test('a backfill answers what it made, newest first', async (t) => {
  const api = await openApi(t)
  const id = await afterAnOutage(api)
  const { backfillJob } = await api.get(BACKFILL, { input: { id, from: iso(3), to: iso(5) } })
  assert.deepEqual([backfillJob.planned, backfillJob.created, backfillJob.errors], [3, 3, []])
  const { nodes, totalCount, pageInfo } = backfillJob.runs
  assert.deepEqual(
    nodes.map((run: { scheduledFor: string }) => run.scheduledFor),
    [iso(5), iso(4), iso(3)],
  )
  assert.deepEqual([totalCount, pageInfo.hasNextPage], [3, false])
  assert.deepEqual(nodes[0], {
    id: nodes[0].id,
    scheduledFor: iso(5),
    trigger: 'BACKFILL',
    triggeredBy: 'ada',
    job: { name: 'minutely', lastRun: { id: nodes[0].id } },
  })
})

test('its runs come in pages, whose cursors are good for the runs of the job', async (t) => {
  const api = await openApi(t)
  const id = await afterAnOutage(api)
  // Ids of one millisecond are in order only within what made them, and the scheduler made the run before.
  api.clock.forward(1)
  const { runs } = (await api.get(BACKFILL, { input: { id, from: iso(3), to: iso(5) }, first: 2 })).backfillJob
  assert.deepEqual([runs.nodes.length, runs.totalCount, runs.pageInfo.hasNextPage], [2, 3, true])
  const { job } = await api.get(
    'query ($id: ID!, $after: String) { job(by: { id: $id }) { runs(after: $after) { nodes { scheduledFor } } } }',
    {
      id,
      after: runs.pageInfo.endCursor,
    },
  )
  assert.deepEqual(
    job.runs.nodes.map((run: { scheduledFor: string }) => run.scheduledFor),
    [iso(3), iso(10)],
  )
})

test('a backfill that is refused has no runs, and says where', async (t) => {
  const api = await openApi(t)
  const id = await afterAnOutage(api)
  const { backfillJob } = await api.get(BACKFILL, { input: { id, from: iso(12), to: iso(11) } })
  assert.deepEqual([backfillJob.planned, backfillJob.created, backfillJob.runs], [0, 0, null])
  assert.deepEqual(problems(backfillJob.errors), ['INVALID from', 'INVALID to'])
})

test('the ledger shows a backfilled instant as RUN, and what no schedule had planned beside its rows', async (t) => {
  const api = await openApi(t)
  const id = await afterAnOutage(api)
  await api.commands.updateJob({ id, schedule: { interval: { every: 90_000, anchor: NOON } } }, { name: 'ada' })
  await api.get(BACKFILL, { input: { id, from: iso(3), to: iso(6) } })
  const LEDGER = `query ($id: ID!, $from: DateTime!, $to: DateTime!, $first: Int, $after: String, $last: Int, $before: String) { job(by: { id: $id }) {
    occurrences(from: $from, to: $to, first: $first, after: $after, last: $last, before: $before) {
      nodes { at until count verdict } pageInfo { hasNextPage hasPreviousPage endCursor startCursor } }
  } }`
  const whole = ['1..2 MISSED', '3 RUN', '4 MISSED', '4.5 RUN', '5 MISSED', '6 RUN', '7..9 MISSED', '10 RUN', '10.5 PLANNED']
  const window = { id, from: iso(0), to: iso(11) }
  const shown = (nodes: Page['nodes']) =>
    nodes.map(({ at, until, verdict }) => {
      const [first, last] = [at, until].map((instant) => (Date.parse(instant) - NOON) / MINUTE)
      return `${first === last ? first : `${first}..${last}`} ${verdict}`
    })
  for (const size of [1, 2, 3, 20]) {
    const forward: string[] = []
    const backward: string[] = []
    for (let after: string | null = null, more = true; more; ) {
      const { nodes, pageInfo }: Page = (await api.get(LEDGER, { ...window, first: size, after })).job.occurrences
      forward.push(...shown(nodes))
      more = pageInfo.hasNextPage
      after = pageInfo.endCursor
    }
    for (let before: string | null = null, more = true; more; ) {
      const { nodes, pageInfo }: Page = (await api.get(LEDGER, { ...window, last: size, before })).job.occurrences
      backward.unshift(...shown(nodes))
      more = pageInfo.hasPreviousPage
      before = pageInfo.startCursor
    }
    assert.deepEqual(forward, whole, `forward by ${size}`)
    assert.deepEqual(backward, whole, `backward by ${size}`)
  }
})

test('a backfill needs the scope OPERATE', async (t) => {
  const api = await openApi(t)
  const id = await afterAnOutage(api)
  const { errors } = await api.ask(BACKFILL, { input: { id, from: iso(3), to: iso(5) } }, { name: 'eve', scopes: ['READ'] })
  assert.equal(errors[0]?.extensions.code, 'FORBIDDEN')
})
