import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOON } from '../support/parts.ts'
import { openApi } from './api.ts'

const iso = (instant: number) => new Date(instant).toISOString()
const MINUTE = 60_000

const PAUSE = `mutation ($input: PauseSchedulingInput!) {
  pauseScheduling(input: $input) { system { pause { since until note by } } errors { code path } }
}`
const RESUME = 'mutation { resumeScheduling { system { pause { note } } errors { code } } }'
const JOB = 'query ($id: ID!) { job(by: { id: $id }) { state pause { note } nextRunAt upcoming(count: 2) version } }'

test('the whole scheduling is paused and resumed, and the system shows it', async (t) => {
  const api = await openApi(t)
  const first = await api.get(PAUSE, { input: { note: 'disks' } })
  assert.deepEqual(first.pauseScheduling, {
    system: { pause: { since: iso(NOON), until: null, note: 'disks', by: 'ada' } },
    errors: [],
  })
  api.clock.forward(MINUTE)
  const again = await api.get(PAUSE, { input: { note: 'network', until: iso(NOON + 5 * MINUTE) } })
  assert.deepEqual(again.pauseScheduling.system.pause, { since: iso(NOON), until: iso(NOON + 5 * MINUTE), note: 'network', by: 'ada' })
  for (let i = 0; i < 2; i++) assert.deepEqual((await api.get(RESUME)).resumeScheduling, { system: { pause: null }, errors: [] })
  assert.deepEqual(await api.get('{ system { pause { note } } }'), { system: { pause: null } })
})

test('a pause of the whole scheduling ends by itself', async (t) => {
  const api = await openApi(t)
  await api.get(PAUSE, { input: { note: 'disks', until: iso(NOON + MINUTE) } })
  api.clock.forward(MINUTE - 1)
  assert.notEqual((await api.get('{ system { pause { note } } }')).system.pause, null)
  api.clock.forward(1)
  assert.equal((await api.get('{ system { pause { note } } }')).system.pause, null)
})

test('what is wrong with a pause of the whole scheduling is told, and the system as it stands', async (t) => {
  const api = await openApi(t)
  const { pauseScheduling } = await api.get(PAUSE, { input: { note: '', until: iso(NOON) } })
  assert.deepEqual(pauseScheduling, {
    system: { pause: null },
    errors: [
      { code: 'INVALID', path: ['note'] },
      { code: 'IN_THE_PAST', path: ['until'] },
    ],
  })
})

test('every mutation of a document shows the pause that it left behind', async (t) => {
  const api = await openApi(t)
  const data = await api.get(`mutation {
    a: pauseScheduling(input: { note: "one" }) { system { pause { note } } }
    b: resumeScheduling { system { pause { note } } }
    c: pauseScheduling(input: { note: "two" }) { system { pause { note } } }
  }`)
  assert.deepEqual(
    [data.a, data.b, data.c].map(({ system }) => system.pause?.note ?? null),
    ['one', null, 'two'],
  )
})

test('a job shows its own state, and fires next when the whole scheduling goes on', async (t) => {
  const api = await openApi(t)
  const id = await api.create({})
  const alone = { state: 'ACTIVE', pause: null, version: 1 }
  await api.get(PAUSE, { input: { note: 'disks' } })
  assert.deepEqual((await api.get(JOB, { id })).job, { ...alone, nextRunAt: null, upcoming: [] })
  const until = NOON + 10 * MINUTE
  await api.get(PAUSE, { input: { note: 'disks', until: iso(until) } })
  assert.deepEqual((await api.get(JOB, { id })).job, { ...alone, nextRunAt: iso(until), upcoming: [iso(until), iso(until + MINUTE)] })
  await api.get(RESUME)
  assert.deepEqual((await api.get(JOB, { id })).job, {
    ...alone,
    nextRunAt: iso(NOON + MINUTE),
    upcoming: [iso(NOON + MINUTE), iso(NOON + 2 * MINUTE)],
  })
})

test('pausing the whole scheduling needs the scope OPERATE', async (t) => {
  const api = await openApi(t)
  const reader = { name: 'rita', scopes: ['READ'] as const }
  const operator = { name: 'otto', scopes: ['READ', 'OPERATE'] as const }
  for (const document of ['mutation { pauseScheduling(input: { note: "n" }) { errors { code } } }', RESUME]) {
    assert.equal((await api.ask(document, {}, reader)).errors[0]?.extensions.code, 'FORBIDDEN')
    assert.deepEqual((await api.ask(document, {}, operator)).errors, [])
  }
})

test('instances are the processes seen within one and a half leases', async (t) => {
  const api = await openApi(t)
  const { store } = api.engine
  const document = '{ instances { id roles host version startedAt lastSeenAt running capacity clockSkew } }'
  assert.deepEqual(await api.get(document), { instances: [] })
  const instance = { host: 'h', version: '1.2.3', startedAt: NOON, lastSeenAt: NOON, running: 2, capacity: 64 }
  const worker = { ...instance, handlers: [], skew: null }
  await store.registerInstance({ ...worker, id: 'ins_a', roles: ['API', 'SCHEDULER', 'WORKER'] }, { alone: false })
  await store.registerInstance({ ...worker, id: 'ins_b', roles: ['WORKER'], lastSeenAt: NOON + 1, skew: -1_250 }, { alone: false })
  api.clock.forward(45_000)
  assert.deepEqual((await api.get(document)).instances[0], {
    ...instance,
    id: 'ins_a',
    roles: ['API', 'SCHEDULER', 'WORKER'],
    startedAt: iso(NOON),
    lastSeenAt: iso(NOON),
    clockSkew: null,
  })
  api.clock.forward(1)
  assert.deepEqual(
    (await api.get(document)).instances.map((each: { id: string; clockSkew: string }) => [each.id, each.clockSkew]),
    [['ins_b', 'PT1.25S']],
  )
})
