import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createTargetRules } from '../../src/worker/targetRules.ts'
import { createAddressGuard } from '../../src/worker/targets/addresses.ts'
import { createAllowedCommands } from '../../src/worker/targets/commandList.ts'
import { NOON } from '../support/parts.ts'
import { type Api, CREATE, EVERY_MINUTE, openApi, problems } from './api.ts'

/** The real rules for targets, with two handlers (one wants `to` in its payload) and a name service of their own. */
function openStrict(t: TestContext): Promise<Api> {
  const handlers = {
    list: async () => ['log', 'strict'].map((name) => ({ name, description: null, payloadSchema: null })),
    check: async (name: string, payload: string | null) => {
      if (!['log', 'strict'].includes(name)) return null
      return name === 'strict' && JSON.parse(payload ?? '{}').to === undefined ? [{ path: ['to'], message: '`to` is missing.' }] : []
    },
  }
  const targetRules = createTargetRules({
    guard: createAddressGuard([]),
    resolve: async (name) => [name === 'inside.example' ? '10.1.2.3' : '93.184.215.14'],
    commands: createAllowedCommands([]),
    handlers,
  })
  return openApi(t, { targetRules })
}

const http = (url: string, more: object = {}) => ({ http: { url, ...more } })
const cron = (expression: string, timezone = 'UTC') => ({ cron: { expression, timezone } })
const iso = (instant: number) => new Date(instant).toISOString()

/** What is wrong with a job that is right but for this. */
const MISTAKES: readonly (readonly [what: string, input: object, problems: readonly string[]])[] = [
  ['an unknown zone', { schedule: cron('0 9 * * *', 'Mars/Olympus') }, ['INVALID schedule.cron.timezone']],
  ['an offset for a zone', { schedule: cron('0 9 * * *', '+02:00') }, ['INVALID schedule.cron.timezone']],
  ['three fields', { schedule: cron('* * *') }, ['INVALID schedule.cron.expression']],
  ['nothing', { schedule: cron('') }, ['INVALID schedule.cron.expression']],
  ['30 February', { schedule: cron('0 0 30 2 *') }, ['NEVER_FIRES schedule.cron.expression']],
  ['an interval of 10 ms', { schedule: { interval: { every: '10ms' } } }, ['INVALID schedule.interval.every']],
  ['a once in the past', { schedule: { once: { at: iso(NOON - 1) } } }, ['IN_THE_PAST schedule.once.at']],
  ['no runs at all', { schedule: { interval: { every: '1m', maxRuns: 0 } } }, ['INVALID schedule.interval.maxRuns']],
  ['an unknown handler', { target: { handler: { handler: 'nobody' } } }, ['INVALID target.handler.handler']],
  ['a payload that its handler refuses', { target: { handler: { handler: 'strict' } }, payload: {} }, ['INVALID payload.to']],
  ['a command that is not allowed', { target: { command: { executable: '/bin/sh' } } }, ['NOT_ALLOWED target.command.executable']],
  ['loopback', { target: http('http://127.0.0.1:8080/') }, ['NOT_ALLOWED target.http.url']],
  ['loopback as one number', { target: http('http://2130706433/') }, ['NOT_ALLOWED target.http.url']],
  ['the metadata service', { target: http('http://169.254.169.254/latest') }, ['NOT_ALLOWED target.http.url']],
  ['a mapped private address', { target: http('http://[::ffff:10.0.0.1]/') }, ['NOT_ALLOWED target.http.url']],
  ['a name that resolves to a private address', { target: http('https://inside.example/') }, ['NOT_ALLOWED target.http.url']],
  ['no URL', { target: http('hello') }, ['INVALID target.http.url']],
  ['another protocol', { target: http('file:///etc/passwd') }, ['INVALID target.http.url']],
  ['a secret that is none', { target: http('https://example.com', { secret: 'abc' }) }, ['INVALID target.http.secret']],
  [
    'a status that is none',
    { target: http('https://example.com', { expectStatus: ['2xx', 'ok'] }) },
    ['INVALID target.http.expectStatus.1'],
  ],
  ['contradictory policies', { policies: { misfire: 'ALL', overlap: 'SKIP' } }, ['CONFLICTING_POLICIES policies.misfire']],
  ['a window shorter than the grace', { policies: { catchupWindow: '30s' } }, ['CONFLICTING_POLICIES policies.catchupWindow']],
  ['a priority of 10', { policies: { priority: 10 } }, ['INVALID policies.priority']],
  ['an oversized payload', { payload: 'x'.repeat(64 * 1024) }, ['TOO_LARGE payload']],
  ['a payload that nests too deep', { payload: JSON.parse('['.repeat(33) + ']'.repeat(33)) }, ['INVALID payload']],
  ['a blank name', { name: ' ' }, ['INVALID name']],
  ['a long name', { name: 'x'.repeat(201) }, ['INVALID name']],
  ['too many tags', { tags: Array.from({ length: 51 }, (_, index) => `t${index}`) }, ['TOO_MANY tags']],
  ['a long tag', { tags: ['fine', 'x'.repeat(65)] }, ['INVALID tags.1']],
  ['a pause without a reason', { pause: { note: '' } }, ['INVALID pause.note']],
  ['a pause that has ended', { pause: { note: 'n', until: iso(NOON) } }, ['IN_THE_PAST pause.until']],
  [
    'everything at once',
    { name: '', schedule: cron('x', 'y'), policies: { priority: -1 } },
    ['INVALID name', 'INVALID schedule.cron.expression', 'INVALID schedule.cron.timezone', 'INVALID policies.priority'],
  ],
]

test('what is wrong with a job is told as data, with its path, and nothing is stored', async (t) => {
  const api = await openStrict(t)
  for (const [what, mistake, expected] of MISTAKES) {
    const { createJob } = await api.get(CREATE, { input: { name: what, schedule: EVERY_MINUTE, ...mistake } })
    assert.deepEqual([createJob.job, createJob.created], [null, false], what)
    assert.deepEqual(problems(createJob.errors).sort(), [...expected].sort(), what)
    for (const error of createJob.errors) assert.match(error.message, /\S.{5}/, what)
  }
  assert.deepEqual(await api.get('{ jobs { totalCount } }'), { jobs: { totalCount: 0 } })
})

test('an update is refused for the same reasons', async (t) => {
  const api = await openStrict(t)
  const id = await api.create({ name: 'a' })
  await api.create({ name: 'b' })
  const wrong = async (change: object) => {
    const { updateJob } = await api.get(
      'mutation ($input: UpdateJobInput!) { updateJob(input: $input) { job { id } errors { code message path } } }',
      { input: { id, ...change } },
    )
    assert.equal(updateJob.job, null)
    return problems(updateJob.errors)
  }
  assert.deepEqual(await wrong({ schedule: cron('0 0 30 2 *') }), ['NEVER_FIRES schedule.cron.expression'])
  assert.deepEqual(await wrong({ schedule: null }), ['INVALID schedule'])
  assert.deepEqual(await wrong({ name: 'b' }), ['NAME_TAKEN name'])
  assert.deepEqual(await wrong({ target: http('http://10.0.0.1/') }), ['NOT_ALLOWED target.http.url'])
  assert.deepEqual(await wrong({ policies: { misfire: 'ALL' } }), ['CONFLICTING_POLICIES policies.misfire'])
  assert.deepEqual(await wrong({ payload: 'x'.repeat(70_000) }), ['TOO_LARGE payload'])
})

test('an unknown id is NOT_FOUND, wherever it is given', async (t) => {
  const api = await openStrict(t)
  const mutations = {
    updateJob: '(input: { id: $id, name: "x" })',
    deleteJob: '(input: { id: $id })',
    pauseJob: '(input: { id: $id, note: "n" })',
    resumeJob: '(input: { id: $id })',
    triggerJob: '(input: { id: $id })',
    cancelRun: '(input: { id: $id })',
    rerun: '(input: { id: $id })',
  }
  for (const id of ['job_none', 'run_none', '', 'Sm9iOjE=']) {
    for (const [name, args] of Object.entries(mutations)) {
      const data = await api.get(`mutation ($id: ID!) { ${name}${args} { errors { code message path } } }`, { id })
      assert.deepEqual(problems(data[name].errors), ['NOT_FOUND id'], `${name} ${id}`)
    }
  }
})

test('a name that is taken is refused', async (t) => {
  const api = await openStrict(t)
  const input = { name: 'one', schedule: EVERY_MINUTE }
  await api.get(CREATE, { input })
  const { createJob } = await api.get(CREATE, { input })
  assert.deepEqual(problems(createJob.errors), ['NAME_TAKEN name'])
})
