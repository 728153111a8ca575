import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { request, subscribeWs } from '../support/graphqlClient.ts'
import { createJob, streamPosition, triggerJob } from '../support/jobs.ts'
import { runOrrery, startOrrery } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { startWebhookServer } from '../support/webhookServer.ts'

describe('a first start', () => {
  test('makes the database, says one line when it is ready, and answers everywhere', async () => {
    const directory = temporaryDirectory()
    const orrery = await startOrrery({ directory })
    assert.ok(existsSync(join(directory, 'orrery.db')))

    assert.deepEqual(await (await fetch(`${orrery.origin}/ping`)).json(), { message: 'pong' })
    for (const path of ['/health/live', '/health/ready']) assert.equal((await fetch(orrery.origin + path)).status, 200, path)
    const { system } = await request<{ system: { engine: string; version: string; now: string } }>(
      orrery.url,
      '{ system { engine version now } }',
    )
    assert.equal(system.engine, 'SQLITE')
    assert.match(system.version, /^\d+\.\d+\.\d+/)
    assert.match(system.now, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

    const page = await fetch(orrery.url, { headers: { accept: 'text/html' } })
    assert.match(page.headers.get('content-type') ?? '', /text\/html/)
    assert.doesNotMatch(
      await page.text(),
      /<(script|link|img|iframe)[^>]+(src|href)=["']?(https?:)?\/\//i,
      'GraphiQL loads nothing from elsewhere',
    )

    const { instances } = await request<{ instances: { id: string; roles: string[] }[] }>(orrery.url, '{ instances { id roles } }')
    assert.deepEqual(
      instances.map(({ roles }) => roles),
      [['API', 'SCHEDULER', 'WORKER']],
    )

    const exit = await orrery.kill('SIGTERM')
    assert.equal(exit.code, 0)
    assert.equal(exit.stdout, `orrery ready on ${orrery.url}\n`)
  })

  test('with another folder for the database that does not exist yet makes it', async () => {
    const directory = temporaryDirectory()
    const orrery = await startOrrery({ directory, env: { DATABASE_URL: `file:${join(directory, 'deep/er/orrery.db')}` } })
    assert.ok(existsSync(join(directory, 'deep/er/orrery.db')))
    await orrery.kill('SIGTERM')
  })
})

test('a second process on the same file is refused with the reason, and the first goes on', async () => {
  const directory = temporaryDirectory()
  const first = await startOrrery({ directory })
  const second = await runOrrery({ directory })
  assert.equal(second.code, 1)
  assert.equal(second.stdout, '')
  assert.match(second.stderr, /orrery\.db/)
  assert.match(second.stderr, /another|in use|already|locked/i)
  assert.equal((await fetch(`${first.origin}/ping`)).status, 200)
  await first.kill('SIGTERM')
  const third = await startOrrery({ directory })
  await third.kill('SIGTERM')
})

test('SIGTERM lets the runs under way end, keeps their outcome, and ends with 0', async () => {
  const directory = temporaryDirectory()
  const release = Promise.withResolvers<void>()
  const target = await startWebhookServer(async () => {
    await release.promise
    return { body: 'done' }
  })
  const env = { ORRERY_ALLOW_TARGETS: '127.0.0.0/8' }
  const orrery = await startOrrery({ directory, env })
  const job = await createJob(orrery.url, {
    name: 'slow',
    schedule: { interval: { every: 'PT24H' } },
    target: { http: { url: `${target.origin}/slow` } },
  })
  const run = await triggerJob(orrery.url, job.id)
  await target.requests.first('the request', () => true)

  const stopped = orrery.kill('SIGTERM')
  // The port closes first: no new work is taken while the old ends.
  await assert.rejects(async () => {
    for (;;) await fetch(`${orrery.origin}/ping`, { headers: { connection: 'close' } })
  })
  release.resolve()
  assert.equal((await stopped).code, 0)

  const again = await startOrrery({ directory, env })
  const kept = await request<{ run: { status: string; attempt: number; output: { status: number } } }>(
    again.url,
    'query ($id: ID!) { run(id: $id) { status attempt output } }',
    { id: run },
  )
  assert.equal(kept.run.status, 'SUCCEEDED')
  assert.equal(kept.run.attempt, 1)
  assert.equal(kept.run.output.status, 200)
  await again.kill('SIGTERM')
  await target.close()
})

test('SIGTERM ends what does not end within the drain timeout; its run goes on after the next start', async () => {
  const directory = temporaryDirectory()
  let answers = false
  const target = await startWebhookServer(() => (answers ? {} : new Promise(() => {})))
  const env = { ORRERY_ALLOW_TARGETS: '127.0.0.0/8', ORRERY_DRAIN_TIMEOUT: 'PT0.5S' }
  const orrery = await startOrrery({ directory, env })
  const job = await createJob(orrery.url, {
    name: 'deaf',
    schedule: { interval: { every: 'PT24H' } },
    target: { http: { url: target.origin } },
  })
  const run = await triggerJob(orrery.url, job.id)
  await target.requests.first('the request', () => true)
  assert.equal((await orrery.kill('SIGTERM')).code, 0)

  answers = true
  const again = await startOrrery({ directory, env })
  const position = await streamPosition(again.url)
  const stream = await subscribeWs<{ jobRuns: { run: { id: string } } }>(
    again.url,
    'subscription ($after: Cursor) { jobRuns(filter: { finalOnly: true }, after: $after) { run { id } } }',
    { after: position },
  )
  const ask = () =>
    request<{ run: { status: string; attempts: { status: string }[] } }>(
      again.url,
      'query ($id: ID!) { run(id: $id) { status attempts { status } } }',
      { id: run },
    )
  if ((await ask()).run.status !== 'SUCCEEDED') await stream.events.first('the end of the run', (event) => event.jobRuns.run.id === run)
  assert.deepEqual(await ask(), { run: { status: 'SUCCEEDED', attempts: [{ status: 'INTERRUPTED' }, { status: 'SUCCEEDED' }] } })
  await stream.close()
  await again.kill('SIGTERM')
  await target.close()
})

describe('a mistake in the configuration stops the start and names the variable', { concurrency: 3 }, () => {
  const mistakes: [string, string, RegExp][] = [
    ['PORT', 'eighty', /eighty/],
    ['PORT', '70000', /70000/],
    ['ORRERY_LEASE', 'soon', /soon/],
    ['ORRERY_CONCURRENCY', '0', /0/],
    ['ORRERY_ALLOW_TARGETS', '10.0.0.0/99', /10\.0\.0\.0\/99/],
    ['ORRERY_ALLOW_COMMANDS', 'relative/tool', /relative\/tool/],
    ['ORRERY_HANDLERS', '/no/such/folder', /\/no\/such\/folder/],
    ['ORRERY_SIGNING_SECRET', 'short', /whsec_/],
    ['DATABASE_URL', 'mysql://x', /mysql/],
    ['LOG_LEVEL', 'loud', /loud/],
    ['ORRERY_AUTH', 'maybe', /maybe/],
  ]
  for (const [variable, value, message] of mistakes) {
    test(`${variable}=${value}`, async () => {
      const exit = await runOrrery({ directory: temporaryDirectory(), env: { [variable]: value } })
      assert.equal(exit.code, 1)
      assert.equal(exit.stdout, '')
      assert.match(exit.stderr, new RegExp(variable))
      assert.match(exit.stderr, message)
    })
  }

  test('a HOST that others can reach, without saying that nobody is asked who he is', async () => {
    const exit = await runOrrery({ directory: temporaryDirectory(), env: { HOST: '0.0.0.0' } })
    assert.equal(exit.code, 1)
    assert.match(exit.stderr, /ORRERY_AUTH=none/)
    const open = await startOrrery({ directory: temporaryDirectory(), env: { HOST: '0.0.0.0', ORRERY_AUTH: 'none' } })
    assert.equal((await open.kill('SIGTERM')).code, 0)
  })

  test('a port that is taken', async () => {
    const taken = await startWebhookServer()
    const exit = await runOrrery({ directory: temporaryDirectory(), env: { PORT: new URL(taken.origin).port } })
    assert.equal(exit.code, 1)
    assert.match(exit.stderr, /EADDRINUSE|in use|taken/)
    await taken.close()
  })
})

test('a page of another site cannot talk to a local server', async () => {
  const orrery = await startOrrery({ directory: temporaryDirectory() })
  const ask = (headers: Record<string, string>): Promise<number> =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify({ query: '{ system { version } }' })
      const outgoing = httpRequest(orrery.url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers } }, (answer) =>
        resolve(answer.resume().statusCode!),
      )
      outgoing.once('error', reject).end(body)
    })
  assert.equal(await ask({}), 200)
  assert.equal(await ask({ host: new URL(orrery.url).host, origin: orrery.origin }), 200)
  assert.equal(await ask({ host: 'evil.example' }), 403, 'a name that was made to point here')
  assert.equal(await ask({ origin: 'https://evil.example' }), 403)
  const plain = await fetch(orrery.url, {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: JSON.stringify({ query: '{ system { version } }' }),
  })
  assert.ok(plain.status >= 400, 'what a form can send without asking is refused')
  const upgrade = (origin: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
        'sec-websocket-protocol': 'graphql-transport-ws',
        origin,
      }
      httpRequest(orrery.url, { headers })
        .once('upgrade', (answer, socket) => {
          socket.destroy()
          resolve(answer.statusCode!)
        })
        .once('response', (answer) => resolve(answer.resume().statusCode!))
        .once('error', reject)
        .end()
    })
  assert.equal(await upgrade(orrery.origin), 101)
  assert.equal(await upgrade('https://evil.example'), 403)
  await orrery.kill('SIGTERM')
})
