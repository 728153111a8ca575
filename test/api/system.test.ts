import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exampleOperations } from '../../src/api/exampleOperations.ts'
import { NOON } from '../support/parts.ts'
import { openApi } from './api.ts'

const iso = (instant: number) => new Date(instant).toISOString()

test('the system tells its clock, version, engine, viewer and handlers', async (t) => {
  const api = await openApi(t)
  const data = await api.get(
    '{ system { now version engine pause { note } } viewer { name scopes } handlers { name description payloadSchema } streamPosition }',
  )
  assert.equal(typeof data.streamPosition, 'string')
  assert.deepEqual(
    { ...data, streamPosition: null },
    {
      system: { now: iso(NOON), version: '1.2.3', engine: api.engine.kind, pause: null },
      viewer: { name: 'ada', scopes: ['READ', 'OPERATE', 'MANAGE'] },
      handlers: [
        { name: 'log', description: 'Writes its payload as log lines.', payloadSchema: null },
        { name: 'strict', description: null, payloadSchema: { type: 'object', required: ['to'] } },
      ],
      streamPosition: null,
    },
  )
})

test('who may only read can change nothing', async (t) => {
  const api = await openApi(t)
  const reader = { name: 'rita', scopes: ['READ'] as const }
  const { data, errors } = await api.ask(
    'mutation { createJob(input: { name: "a", schedule: { interval: { every: "5s" } } }) { created } }',
    {},
    reader,
  )
  assert.deepEqual(
    [data, errors.map((error) => [error.extensions.code, error.message])],
    [null, [['FORBIDDEN', 'This needs the scope MANAGE; rita has READ.']]],
  )
  assert.deepEqual((await api.ask('{ jobs { totalCount } }', {}, reader)).data, { jobs: { totalCount: 0 } })
  assert.equal((await api.ask('{ system { now } }', {}, null)).errors[0]!.extensions.code, 'UNAUTHENTICATED')
})

const PREVIEW = `query ($schedule: ScheduleInput!, $from: DateTime, $count: Int! = 10) {
  previewSchedule(schedule: $schedule, from: $from, count: $count) { next description warnings { code message at } errors { code message path } }
}`

test('a preview shows the instants strictly after its start, in words, with warnings', async (t) => {
  const api = await openApi(t)
  const { previewSchedule } = await api.get(PREVIEW, {
    schedule: { cron: { expression: '30 2 * * *', timezone: 'Europe/Berlin' } },
    from: '2027-03-27T01:30:00Z',
    count: 2,
  })
  assert.deepEqual(
    previewSchedule.next,
    ['2027-03-28T01:00:00.000Z', '2027-03-29T00:30:00.000Z'],
    'the day whose clocks skip 02:30 fires after the gap',
  )
  assert.match(previewSchedule.description, /Berlin/)
  assert.ok(
    previewSchedule.warnings.some((warning: { code: string; at: string | null }) => warning.code === 'DST_GAP' && warning.at !== null),
  )
  assert.deepEqual(previewSchedule.errors, [])
})

test('a preview begins now unless told otherwise, and ends with its schedule', async (t) => {
  const api = await openApi(t)
  const next = async (variables: object) => (await api.get(PREVIEW, { ...variables })).previewSchedule.next
  const minutes = (...numbers: number[]) => numbers.map((number) => iso(NOON + number * 60_000))
  assert.deepEqual(await next({ schedule: { interval: { every: '1m' } }, count: 2 }), minutes(1, 2))
  assert.deepEqual(await next({ schedule: { interval: { every: '1m', maxRuns: 3 } } }), minutes(1, 2, 3))
  assert.deepEqual(
    await next({ schedule: { interval: { every: '1m', maxRuns: 3 } }, from: iso(NOON + 60_000) }),
    minutes(2, 3),
    'the first has run by then',
  )
  assert.deepEqual(await next({ schedule: { interval: { every: '1m', maxRuns: 3 } }, from: iso(NOON + 600_000) }), [])
  assert.deepEqual(await next({ schedule: { once: { at: iso(NOON + 60_000) } } }), minutes(1))
  assert.deepEqual(await next({ schedule: { interval: { every: '1m' } }, count: 0 }), [])
  assert.equal((await next({ schedule: { cron: { expression: '* * * * * *' } }, count: 1_000 })).length, 1_000)
})

test('a preview stores nothing and answers its errors as data', async (t) => {
  const api = await openApi(t)
  const { previewSchedule } = await api.get(PREVIEW, {
    schedule: { cron: { expression: '* * *', timezone: 'Mars/Olympus' } },
    count: 1_001,
  })
  assert.deepEqual(
    previewSchedule.errors.map((error: { code: string; path: string[] }) => `${error.code} ${error.path.join('.')}`).sort(),
    ['INVALID schedule.cron.expression', 'INVALID schedule.cron.timezone', 'TOO_MANY count'],
  )
  assert.deepEqual([previewSchedule.next, previewSchedule.description, previewSchedule.warnings], [[], null, []])
  assert.deepEqual(await api.get('{ jobs { totalCount } }'), { jobs: { totalCount: 0 } })
})

test('the example operations run as they stand, twice', async (t) => {
  const api = await openApi(t)
  for (const { title, query } of [...exampleOperations, ...exampleOperations]) {
    if (query.includes('subscription ')) continue
    const { errors } = await api.ask(query)
    assert.deepEqual(errors, [], title)
  }
})
