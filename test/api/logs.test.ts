import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NewLogLine } from '../../src/engine/store/store.ts'
import { maskError } from '../../src/api/errors.ts'
import { NOON } from '../support/parts.ts'
import { type Api, openApi } from './api.ts'

/** A run under way of a job of its own. */
async function startRun(api: Api): Promise<string> {
  await api.commands.triggerJob({ id: await api.create({ name: `job ${Math.random()}` }) }, { name: 'ada' })
  return (await api.begin())[0]!.runId
}

function lines(runId: string, count: number, from = 1): NewLogLine[] {
  return Array.from({ length: count }, (_, i) => ({
    runId,
    attempt: 1,
    at: NOON + from + i,
    level: 'INFO',
    message: `line ${from + i}`,
    fields: null,
  }))
}

const PAGE = `query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  run(id: $id) {
    logs(first: $first, after: $after, last: $last, before: $before) {
      edges { cursor node { seq } }
      nodes { seq at attempt level message fields }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}`

interface Lines {
  readonly nodes: readonly { readonly seq: number }[]
  readonly pageInfo: Readonly<Record<'hasNextPage' | 'hasPreviousPage', boolean> & Record<'startCursor' | 'endCursor', string | null>>
}

test('a log is read page by page to its end and back to its beginning', async (t) => {
  const api = await openApi(t)
  const id = await startRun(api)
  await api.engine.store.appendLogs(lines(id, 2_345))
  const all = Array.from({ length: 2_345 }, (_, i) => i + 1)

  const forward: number[] = []
  for (let after: string | null = null, more = true; more; ) {
    const { nodes, pageInfo }: Lines = (await api.get(PAGE, { id, first: 1_000, after })).run.logs
    forward.push(...nodes.map(({ seq }) => seq))
    assert.equal(pageInfo.hasPreviousPage, after !== null)
    after = pageInfo.endCursor
    more = pageInfo.hasNextPage
  }
  assert.deepEqual(forward, all)

  const backward: number[] = []
  for (let before: string | null = null, more = true; more; ) {
    const { nodes, pageInfo }: Lines = (await api.get(PAGE, { id, last: 1_000, before })).run.logs
    backward.unshift(...nodes.map(({ seq }) => seq))
    assert.equal(pageInfo.hasNextPage, before !== null)
    before = pageInfo.startCursor
    more = pageInfo.hasPreviousPage
  }
  assert.deepEqual(backward, all)
})

test('a line is shown with all it has; fifty unless asked otherwise', async (t) => {
  const api = await openApi(t)
  const id = await startRun(api)
  await api.engine.store.appendLogs([
    { runId: id, attempt: 1, at: NOON, level: 'WARN', message: 'half', fields: '{"percent":50}' },
    ...lines(id, 80),
  ])
  const { nodes, edges } = (await api.get(PAGE, { id })).run.logs
  assert.equal(nodes.length, 50)
  assert.deepEqual(nodes[0], {
    seq: 1,
    at: new Date(NOON).toISOString(),
    attempt: 1,
    level: 'WARN',
    message: 'half',
    fields: { percent: 50 },
  })
  assert.equal(edges[49].node.seq, 50)
})

test('sizes beyond 1,000, and cursors of other runs, are refused by name', async (t) => {
  const api = await openApi(t)
  const [id, other] = [await startRun(api), await startRun(api)]
  await api.engine.store.appendLogs([...lines(id, 2), ...lines(other, 2)])
  assert.deepEqual(await api.ask(PAGE, { id, first: 1_001 }).then(({ errors }) => errors.map(({ message }) => message)), [
    '`first` is 1001; accepted: 0 to 1000.',
  ])
  const { endCursor } = (await api.get(PAGE, { id: other, first: 1 })).run.logs.pageInfo
  const { errors } = await api.ask(PAGE, { id, first: 1, after: endCursor })
  assert.match(errors[0]!.message, /`after` is a cursor of another/)
  assert.equal(errors[0]!.extensions.code, 'BAD_USER_INPUT')
})

const FOLLOW =
  'subscription ($id: ID!, $after: Cursor) { runLogs(runId: $id, after: $after) { cursor line { seq message attempt level } } }'

test('a log is followed to its end, and from a cursor', async (t) => {
  const api = await openApi(t)
  const id = await startRun(api)
  await api.engine.store.appendLogs(lines(id, 1))
  const events = await api.subscribe(FOLLOW, { id })
  const first = (await events.next()).value.data.runLogs
  assert.deepEqual(first.line, { seq: 1, message: 'line 1', attempt: 1, level: 'INFO' })
  const second = events.next()
  await api.engine.store.appendLogs(lines(id, 1, 2))
  assert.equal((await second).value.data.runLogs.line.seq, 2)
  await api.succeed({ runId: id, attempt: 1 })
  assert.equal((await events.next()).done, true)
  const resumed = await api.subscribe(FOLLOW, { id, after: first.cursor })
  assert.equal((await resumed.next()).value.data.runLogs.line.seq, 2)
  assert.equal((await resumed.next()).done, true)
})

test('the log of an unknown run is NOT_FOUND', async (t) => {
  const api = await openApi(t)
  const events = await api.subscribe(FOLLOW, { id: 'run_none' })
  const error = await events.next().then(
    () => assert.fail('it was found'),
    (cause: unknown) => maskError(cause, { requestId: 'req', log: { error: () => assert.fail('it was logged') } }),
  )
  assert.equal(error.extensions.code, 'NOT_FOUND')
  assert.match(error.message, /run_none/)
})
