import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Answer, CREATE, openApi } from './api.ts'

// Whatever comes, the answer is data, a UserError, or a top-level error that is the caller's: never a masked one.

const instant = fc.oneof(
  fc.constantFrom(
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999Z',
    '1970-01-01T00:00:00Z',
    '2026-06-10T12:00:00Z',
    '2026-13-01T00:00:00Z',
  ),
  fc.date({ noInvalidDate: true, min: new Date('1000-01-01'), max: new Date('9999-01-01') }).map((date) => date.toISOString()),
)
const duration = fc.oneof(
  fc.constantFrom('0s', '1ms', '1s', '1m', 'P1D', 'P400D', 'PT2501999792H', '9007199254740991ms', '-1s'),
  fc.integer({ min: 1, max: 100_000 }).map((seconds) => `${seconds}s`),
)
const int = fc.constantFrom(-2_147_483_648, -1, 0, 1, 2, 1_000, 1_001, 2_147_483_647)
const text = fc.oneof(fc.string(), fc.constantFrom('', ' ', '\0', '\ud800', '*', '@daily', '💥', "'; DROP TABLE Job; --", '%', '__proto__'))
const field = fc.oneof(
  fc.constantFrom('*', '?', 'L', 'LW', '15W', '*/7', '0-59/61', '30', '29', '1-5', 'MON#5', 'FRI-MON', '5L', '1,1', 'H'),
  fc.integer({ min: -1, max: 60 }).map(String),
)
const expression = fc.oneof(
  fc.array(field, { minLength: 4, maxLength: 7 }).map((fields) => fields.join(' ')),
  text,
)
const zone = fc.oneof(fc.constantFrom('UTC', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia', '+02:00', 'EST', 'utc'), text)

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(fc.option(value), { nil: undefined, freq: 2 })
const bounds = { startAt: optional(instant), endAt: optional(instant), maxRuns: optional(int), jitter: optional(duration) }
const schedule = fc.oneof(
  fc.record({ interval: fc.record({ every: duration, anchor: optional(instant), ...bounds }) }),
  fc.record({ cron: fc.record({ expression, timezone: zone, ...bounds }) }),
  fc.record({ once: fc.record({ at: instant, jitter: optional(duration) }) }),
)

function noneMasked({ errors }: Answer, input: unknown): void {
  for (const { message, extensions } of errors) assert.equal(extensions.code, 'BAD_USER_INPUT', `${message} ${JSON.stringify(input)}`)
}

test('no schedule can make a preview fail', async (t) => {
  const api = await openApi(t)
  const document =
    'query ($schedule: ScheduleInput!, $from: DateTime, $count: Int! = 10) { previewSchedule(schedule: $schedule, from: $from, count: $count) { next description warnings { code message at } errors { code message path } } }'
  await fc.assert(
    fc.asyncProperty(schedule, optional(instant), fc.option(int, { nil: 10 }), async (...[wanted, from, count]) => {
      const variables = { schedule: wanted, ...(from === undefined ? {} : { from }), count }
      const answer = await api.ask(document, variables)
      noneMasked(answer, variables)
      const preview = answer.data?.previewSchedule
      if (preview?.errors.length > 0) assert.deepEqual([preview.next, preview.warnings, preview.description], [[], [], null])
    }),
    { numRuns: 400 },
  )
})

test('no job can make its creation fail, and one that was created can be read whole', async (t) => {
  const api = await openApi(t)
  let created = 0
  const job = fc.record({
    name: text,
    schedule,
    description: optional(text),
    tags: optional(fc.array(text, { maxLength: 3 })),
    payload: optional(fc.jsonValue()),
    policies: optional(
      fc.record({
        overlap: optional(fc.constantFrom('SKIP', 'ALLOW_ALL')),
        misfireGrace: optional(duration),
        timeout: optional(duration),
        priority: optional(int),
        maxAttempts: optional(int),
        backoff: optional(fc.record({ factor: optional(fc.double()) })),
        concurrencyKey: optional(text),
      }),
    ),
    pause: optional(fc.record({ note: text, until: optional(instant) })),
    onConflict: fc.constantFrom('FAIL', 'UPDATE', 'KEEP'),
  })
  await fc.assert(
    fc.asyncProperty(job, async (input) => {
      const answer = await api.ask(CREATE, { input })
      noneMasked(answer, input)
      if (answer.data?.createJob.job) {
        created++
        const { job } = await api.get(
          'query ($id: ID!) { job(by: { id: $id }) { name state nextRunAt upcoming(count: 3) payload schedule { description jitter } pause { until } } }',
          { id: answer.data.createJob.job.id },
        )
        assert.equal(job.name, input.name.toWellFormed())
      }
    }),
    { numRuns: 300 },
  )
  assert.ok(created > 0, 'some of them are right')
  assert.deepEqual((await api.ask('{ jobs(first: 100) { nodes { name tags upcoming } } }')).errors, [])
})

test('no filter, id or cursor can make a list fail', async (t) => {
  const api = await openApi(t)
  await api.commands.triggerJob({ id: await api.create({ name: 'one', tags: ['a'] }) }, { name: 'ada' })
  const page = { first: fc.option(int), after: fc.option(text), last: fc.option(int), before: fc.option(text) }
  const document = `query ($id: ID!, $text: String!, $first: Int, $after: String, $last: Int, $before: String, $jobs: JobFilter, $runs: JobRunFilter) {
    jobs(first: $first, after: $after, last: $last, before: $before, filter: $jobs) { totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage } }
    runs(first: $first, after: $after, last: $last, before: $before, filter: $runs) { totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage } }
    node(id: $id) { id } run(id: $id) { id } byId: job(by: { id: $id }) { id } byName: job(by: { name: $text }) { id }
  }`
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        id: text,
        text,
        ...page,
        jobs: fc.record({ search: optional(text), tags: optional(fc.array(text)), handler: optional(text) }),
        runs: fc.record({
          jobIds: optional(fc.array(text)),
          scheduledFrom: optional(instant),
          scheduledTo: optional(instant),
          tags: optional(fc.array(text)),
        }),
      }),
      async (variables) => noneMasked(await api.ask(document, variables), variables),
    ),
    { numRuns: 300 },
  )
})
