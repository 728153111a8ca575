import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ask, request } from '../support/graphqlClient.ts'
import { createJob, type Problem } from '../support/jobs.ts'
import { type Orrery, startOrrery } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

// What a caller gets wrong comes back as data: which rule, and where in the input.

let orrery: Orrery
before(async () => {
  orrery = await startOrrery({ directory: temporaryDirectory(), env: { ORRERY_HANDLERS: join(import.meta.dirname, 'fixtures/handlers') } })
  await createJob(orrery.url, { name: 'taken', schedule: HOURLY, target: NOOP })
})
after(() => orrery?.kill('SIGTERM'))

const HOURLY = { interval: { every: '1h' } }
const NOOP = { handler: { handler: 'noop' } }
const cron = (expression: string, more: object = {}) => ({ schedule: { cron: { expression, ...more } } })
const http = (url: string) => ({ target: { http: { url } } })

/** What is wrong with creating a job: a good one but for `wrong`. */
async function refusalOf(wrong: object): Promise<readonly Problem[]> {
  const { createJob: payload } = await request<{ createJob: { job: unknown; errors: Problem[] } }>(
    orrery.url,
    'mutation ($input: CreateJobInput!) { createJob(input: $input) { job { id } created errors { code message path } } }',
    { input: { name: 'a new job', schedule: HOURLY, target: NOOP, ...wrong } },
  )
  assert.equal(payload.job, null)
  return payload.errors
}

const EXPRESSION = ['schedule', 'cron', 'expression']
const URL_PATH = ['target', 'http', 'url']
const cases: [string, object, string, string[], RegExp][] = [
  ['an unknown zone', cron('0 9 * * *', { timezone: 'Europe/Atlantis' }), 'INVALID', ['schedule', 'cron', 'timezone'], /Europe\/Atlantis/],
  ['an offset for a zone', cron('0 9 * * *', { timezone: '+02:00' }), 'INVALID', ['schedule', 'cron', 'timezone'], /\+02:00/],
  ['an abbreviation for a zone', cron('0 9 * * *', { timezone: 'EST' }), 'INVALID', ['schedule', 'cron', 'timezone'], /EST/],
  ['three fields', cron('* * *'), 'INVALID', EXPRESSION, /5|five/],
  ['a minute that is none', cron('61 * * * *'), 'INVALID', EXPRESSION, /61/],
  ['the 30th of February', cron('0 0 30 2 *'), 'NEVER_FIRES', EXPRESSION, /never|February/i],
  ['an interval of 10 ms', { schedule: { interval: { every: '10ms' } } }, 'INVALID', ['schedule', 'interval', 'every'], /1 s|PT1S|second/],
  ['a once in the past', { schedule: { once: { at: '2020-02-02T02:02:02Z' } } }, 'IN_THE_PAST', ['schedule', 'once', 'at'], /2020/],
  ['a name that is taken', { name: 'taken' }, 'NAME_TAKEN', ['name'], /taken/],
  ['no name', { name: '' }, 'INVALID', ['name'], /./],
  ['a long name', { name: 'x'.repeat(201) }, 'INVALID', ['name'], /200/],
  ['an unknown handler', { target: { handler: { handler: 'nobody' } } }, 'INVALID', ['target', 'handler', 'handler'], /nobody/],
  [
    'a payload that its handler refuses',
    { target: { handler: { handler: 'greet' } }, payload: { name: 7 } },
    'INVALID',
    ['payload', 'name'],
    /string/,
  ],
  [
    'a command that is not allowed',
    { target: { command: { executable: '/bin/sh' } } },
    'NOT_ALLOWED',
    ['target', 'command', 'executable'],
    /\/bin\/sh|ORRERY_ALLOW_COMMANDS/,
  ],
  ['a loopback address', http('http://127.0.0.1:9/'), 'NOT_ALLOWED', URL_PATH, /127\.0\.0\.1/],
  ['the address of cloud metadata', http('http://169.254.169.254/latest'), 'NOT_ALLOWED', URL_PATH, /169\.254\.169\.254/],
  ['a private address in IPv6 clothes', http('http://[::ffff:10.0.0.1]/'), 'NOT_ALLOWED', URL_PATH, /10\.0\.0\.1|::ffff/],
  ['a loopback address written as one number', http('http://2130706433/'), 'NOT_ALLOWED', URL_PATH, /127\.0\.0\.1/],
  ['a name that leads to a loopback address', http('http://localhost/'), 'NOT_ALLOWED', URL_PATH, /localhost/],
  ['a URL that is none', http('not a url'), 'INVALID', URL_PATH, /./],
  ['a URL of another protocol', http('file:///etc/passwd'), 'INVALID', URL_PATH, /http/],
  [
    'misfire ALL beside overlap SKIP',
    { policies: { misfire: 'ALL', overlap: 'SKIP' } },
    'CONFLICTING_POLICIES',
    ['policies', 'misfire'],
    /SKIP/,
  ],
  [
    'a catch-up window below the grace',
    { policies: { catchupWindow: '5s', misfireGrace: '10s' } },
    'CONFLICTING_POLICIES',
    ['policies', 'catchupWindow'],
    /grace/,
  ],
  ['an oversized payload', { payload: { text: 'x'.repeat(65 * 1024) } }, 'TOO_LARGE', ['payload'], /64 KiB|65536/],
  ['too many tags', { tags: Array.from({ length: 51 }, (_, i) => `t${i}`) }, 'TOO_MANY', ['tags'], /50/],
]

describe('createJob refuses', () => {
  for (const [what, wrong, code, path, message] of cases) {
    test(what, async () => {
      const errors = await refusalOf(wrong)
      const error = errors.find((each) => each.path.join('.') === path.join('.'))
      assert.ok(error, `an error at ${path.join('.')}, not ${JSON.stringify(errors)}`)
      assert.equal(error.code, code)
      assert.match(error.message, message)
    })
  }

  test('several mistakes at once, each named', async () => {
    const errors = await refusalOf({ name: '', ...cron('* * *', { timezone: 'Mars/Base' }) })
    assert.deepEqual(
      new Set(errors.map(({ path }) => path.join('.'))),
      new Set(['name', 'schedule.cron.expression', 'schedule.cron.timezone']),
    )
  })

  test('and nothing of it was stored', async () => {
    const { jobs } = await request<{ jobs: { totalCount: number } }>(orrery.url, '{ jobs { totalCount } }')
    assert.equal(jobs.totalCount, 1)
  })
})

describe('an unknown id is NOT_FOUND at `id`', () => {
  const ID = 'job_00000000000000000000000000'
  const RUN = 'run_00000000000000000000000000'
  const mutations: [string, string, object][] = [
    ['updateJob', 'UpdateJobInput', { id: ID, name: 'x' }],
    ['deleteJob', 'DeleteJobInput', { id: ID }],
    ['pauseJob', 'PauseJobInput', { id: ID, note: 'x' }],
    ['resumeJob', 'ResumeJobInput', { id: ID }],
    ['triggerJob', 'TriggerJobInput', { id: ID }],
    ['cancelRun', 'CancelRunInput', { id: RUN }],
    ['rerun', 'RerunInput', { id: RUN }],
  ]
  for (const [mutation, type, input] of mutations) {
    test(mutation, async () => {
      const data = await request<Record<string, { errors: Problem[] }>>(
        orrery.url,
        `mutation ($input: ${type}!) { ${mutation}(input: $input) { errors { code message path } } }`,
        { input },
      )
      assert.deepEqual(
        data[mutation]!.errors.map(({ code, path }) => ({ code, path })),
        [{ code: 'NOT_FOUND', path: ['id'] }],
      )
    })
  }
})

describe('what cannot be read is a top-level error', () => {
  const unreadable: [string, string, string][] = [
    ['an instant', '{ previewSchedule(schedule: { once: { at: "tomorrow" } }) { next } }', 'tomorrow'],
    ['a duration', '{ previewSchedule(schedule: { interval: { every: "a while" } }) { next } }', 'a while'],
    [
      'two kinds of schedule',
      '{ previewSchedule(schedule: { once: { at: "2030-01-01T00:00:00Z" }, interval: { every: "1h" } }) { next } }',
      'ScheduleInput',
    ],
  ]
  for (const [what, query, word] of unreadable) {
    test(what, async () => {
      const { errors } = await ask(orrery.url, query)
      assert.match(errors?.[0]?.message ?? '', new RegExp(word))
      assert.match(String(errors?.[0]?.extensions?.code), /^(BAD_USER_INPUT|GRAPHQL_VALIDATION_FAILED)$/)
    })
  }

  test('too long a page', async () => {
    const { errors } = await ask(orrery.url, '{ jobs(first: 101) { nodes { id } } }')
    assert.equal(errors?.[0]?.extensions?.code, 'BAD_USER_INPUT')
    assert.match(errors?.[0]?.message ?? '', /100/)
  })
})
