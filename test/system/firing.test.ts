import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { request, type Subscription, subscribeSse, subscribeWs } from '../support/graphqlClient.ts'
import { type CreatedJob, createJob } from '../support/jobs.ts'
import { type Orrery, startOrrery } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { type ReceivedRequest, startWebhookServer, type WebhookServer } from '../support/webhookServer.ts'

// The three kinds of schedule call a real server, and clients of two kinds watch. No fake clock: what is late here is late.

interface RunEvent {
  readonly jobRuns: {
    readonly cursor: string
    readonly run: { id: string; status: string; trigger: string; scheduledFor: string; job: { name: string } }
  }
}
const WATCH =
  'subscription ($ids: [ID!]) { jobRuns(filter: { jobIds: $ids }) { cursor at run { id status trigger scheduledFor job { name } } } }'
const OWN_SECRET = `whsec_${Buffer.from('a secret of this job alone, 32 b').toString('base64')}`
/** A busy machine may be late, but never by the distance of two instants. */
const LATE = 900

const directory = temporaryDirectory()
let orrery: Orrery
let target: WebhookServer
let serverSecret: string
let jobs: { interval: CreatedJob; cron: CreatedJob; once: CreatedJob }
let ws: Subscription<RunEvent>
let sse: Subscription<RunEvent>
let cronAt: number
let onceAt: number

before(async () => {
  target = await startWebhookServer()
  orrery = await startOrrery({ directory, env: { ORRERY_ALLOW_TARGETS: '127.0.0.0/8' } })
  serverSecret = execFileSync(process.execPath, [join(import.meta.dirname, '../../src/signingSecret.ts')], {
    cwd: directory,
    env: { ...process.env, DATABASE_URL: `file:${join(directory, 'orrery.db')}` },
    encoding: 'utf8',
  }).trim()
  const http = (path: string) => ({ http: { url: target.origin + path } })
  cronAt = Math.ceil(Date.now() / 1000) * 1000 + 4000
  onceAt = Date.now() + 3123
  jobs = {
    interval: await createJob(orrery.url, {
      name: 'interval',
      schedule: { interval: { every: '1s' } },
      target: http('/interval'),
      payload: { greeting: 'grüß dich' },
    }),
    cron: await createJob(orrery.url, {
      name: 'cron',
      schedule: { cron: { expression: cronIn('Asia/Kathmandu', cronAt), timezone: 'Asia/Kathmandu' } },
      target: http('/cron'),
    }),
    once: await createJob(orrery.url, {
      name: 'once',
      schedule: { once: { at: new Date(onceAt).toISOString() } },
      target: {
        http: {
          url: `${target.origin}/once`,
          method: 'PUT',
          secret: OWN_SECRET,
          headers: [
            { name: 'x-own', value: 'yes' },
            { name: 'authorization', value: 'Bearer t0ken', secret: true },
          ],
        },
      },
      payload: [1, 'two', null],
    }),
  }
  const ids = Object.values(jobs).map((job) => job.id)
  ws = await subscribeWs<RunEvent>(orrery.url, WATCH, { ids })
  sse = subscribeSse<RunEvent>(orrery.url, WATCH, { ids })
})

after(async () => {
  await ws?.close()
  await sse?.close()
  await orrery?.kill('SIGTERM')
  await target?.close()
})

/** The expression for one wall-clock second of a zone, to be matched at `instant`. */
function cronIn(timezone: string, instant: number): string {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
    hourCycle: 'h23',
  }).formatToParts(instant)
  const part = (type: string): number => Number(parts.find((each) => each.type === type)!.value)
  return `${part('second')} ${part('minute')} ${part('hour')} * * *`
}

function requestsOf(path: string): readonly ReceivedRequest[] {
  return target.requests.all.filter((each) => each.path === path)
}

function nominal({ headers }: ReceivedRequest): number {
  return Date.parse(String(headers['orrery-scheduled-for']))
}

function assertOnTime(received: ReceivedRequest, instant: number): void {
  assert.equal(nominal(received), instant)
  const lag = received.receivedAt - instant
  assert.ok(lag >= 0 && lag < LATE, `came ${lag} ms after its instant`)
}

describe('jobs of every kind call their targets', () => {
  test('every second: each second from one second after its creation, without a gap', async () => {
    await target.requests.until('four requests', () => requestsOf('/interval').length >= 4)
    const first = Date.parse(jobs.interval.createdAt) + 1000
    requestsOf('/interval')
      .slice(0, 4)
      .forEach((received, i) => {
        assertOnTime(received, first + i * 1000)
      })
  })

  test('by cron: at that second of the clock in Kathmandu', async () => {
    await target.requests.until('the request', () => requestsOf('/cron').length > 0)
    assertOnTime(requestsOf('/cron')[0]!, cronAt)
  })

  test('once: at the millisecond, and the job is completed', async () => {
    await target.requests.until('the request', () => requestsOf('/once').length > 0)
    assertOnTime(requestsOf('/once')[0]!, onceAt)
    const { job } = await request<{ job: { state: string; nextRunAt: string | null } }>(
      orrery.url,
      '{ job(by: { name: "once" }) { state nextRunAt } }',
    )
    assert.deepEqual(job, { state: 'COMPLETED', nextRunAt: null })
  })

  test('requests carry what they are about, signed by Standard Webhooks', async () => {
    await target.requests.until('requests of all', () => ['/interval', '/cron', '/once'].every((path) => requestsOf(path).length > 0))
    const [interval, cron, once] = ['/interval', '/cron', '/once'].map((path) => requestsOf(path)[0]!) as [
      ReceivedRequest,
      ReceivedRequest,
      ReceivedRequest,
    ]
    for (const received of [interval, cron, once]) {
      const { headers } = received
      assert.match(String(headers['orrery-run-id']), /^run_/)
      assert.equal(headers['webhook-id'], headers['orrery-run-id'])
      assert.equal(headers['idempotency-key'], headers['orrery-run-id'])
      assert.equal(headers['orrery-attempt'], '1')
      assert.equal(headers['content-type'], received.body === '' ? undefined : 'application/json')
    }
    assert.equal(interval.method, 'POST')
    assert.deepEqual(JSON.parse(interval.body), { greeting: 'grüß dich' })
    assert.equal(once.method, 'PUT')
    assert.equal(once.headers['x-own'], 'yes')
    assert.equal(once.headers.authorization, 'Bearer t0ken')

    const verify = (secret: string, received: ReceivedRequest) =>
      new Webhook(secret).verify(received.body, received.headers as Record<string, string>)
    assert.match(serverSecret, /^whsec_/)
    assert.deepEqual(verify(serverSecret, interval), { greeting: 'grüß dich' })
    assert.doesNotThrow(() => new Webhook(serverSecret).verify(cron.body, cron.headers as Record<string, string>, { jsonParse: false }))
    assert.deepEqual(verify(OWN_SECRET, once), [1, 'two', null])
    assert.throws(() => verify(serverSecret, once))
    assert.throws(() => verify(serverSecret, { ...interval, body: '{}' }))
  })

  test('secrets that were given are not given out', async () => {
    const query = '{ job(by: { name: "once" }) { target { ... on HttpTarget { hasOwnSecret headers { name value secret } } } } }'
    const { job } = await request<{ job: { target: unknown } }>(orrery.url, query)
    assert.deepEqual(job.target, {
      hasOwnSecret: true,
      headers: [
        { name: 'x-own', value: 'yes', secret: false },
        { name: 'authorization', value: null, secret: true },
      ],
    })
  })
})

for (const [client, events] of [
  ['graphql-ws', () => ws.events],
  ['server-sent events', () => sse.events],
] as const) {
  test(`the executions are seen by ${client}, each up to its end`, async () => {
    const recorder = events()
    const succeeded = (name: string) => recorder.all.filter(({ jobRuns: { run } }) => run.job.name === name && run.status === 'SUCCEEDED')
    await recorder.until(
      'the ends of runs of all jobs',
      () => succeeded('interval').length >= 3 && succeeded('cron').length > 0 && succeeded('once').length > 0,
    )
    assert.equal(succeeded('once')[0]!.jobRuns.run.scheduledFor, new Date(onceAt).toISOString())
    assert.equal(succeeded('cron')[0]!.jobRuns.run.scheduledFor, new Date(cronAt).toISOString())
    const instants = succeeded('interval').map(({ jobRuns: { run } }) => Date.parse(run.scheduledFor))
    instants.slice(1).forEach((instant, i) => {
      assert.equal(instant - instants[i]!, 1000)
    })
    const cursors = recorder.all.map(({ jobRuns }) => jobRuns.cursor)
    assert.equal(new Set(cursors).size, cursors.length, 'no event comes twice')
  })
}
