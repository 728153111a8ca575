import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { post, reply, startTestServer } from './testServer.ts'

async function upgradeStatus(url: string): Promise<number> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  socket.on('error', () => {})
  const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number; resume(): void }]
  answer.resume()
  return answer.statusCode
}

test('a process without the role api says on /graphql where to ask instead, and is watched like any other', async () => {
  await using server = await startTestServer({ roles: ['scheduler', 'worker'] })
  const { url } = server
  const answers = [
    await post(url, { query: '{ hello }' }),
    await reply(await fetch(`${url}/graphql`, { headers: { accept: 'text/html' } })),
  ]
  for (const { status, body } of answers) {
    assert.equal(status, 404)
    assert.equal(body.errors[0].extensions.code, 'NOT_FOUND')
    assert.match(body.errors[0].message, /its work is scheduler and worker \(ORRERY_ROLES\)/)
  }
  assert.equal(await upgradeStatus(url), 404)
  for (const path of ['/health/live', '/health/ready', '/metrics', '/ping']) assert.equal((await fetch(url + path)).status, 200, path)
  for (const path of ['/', '/nothing']) {
    const { paths } = (await reply(await fetch(url + path, { headers: { accept: 'text/html, */*' } }))).body
    assert.ok('/metrics' in paths && !('/graphql' in paths), path)
  }
})

test('a process that is starting answers who watches it, and asks users of the API to come back', async () => {
  await using server = await startTestServer(
    {},
    { starting: true, startPatience: 20, readiness: async () => ({ database: 'not open yet' }) },
  )
  const { url } = server
  const { status, body, headers } = await post(url, { query: '{ hello }' })
  assert.deepEqual([status, body.errors[0].extensions.code, headers.get('retry-after')], [503, 'UNAVAILABLE', '1'])
  assert.equal(await upgradeStatus(url), 503)
  assert.equal((await fetch(`${url}/health/live`)).status, 200)
  assert.deepEqual((await reply(await fetch(`${url}/health/ready`))).body, { status: 'not ready', checks: { database: 'not open yet' } })
  server.serve()
  assert.equal((await post(url, { query: '{ hello }' })).status, 200)
})

/** A POST, known to have come to the server, and the status of its answer. */
async function arrived(url: string): Promise<{ readonly status: Promise<number | undefined> }> {
  const req = request(`${url}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json', expect: '100-continue' } })
  const status = new Promise<number | undefined>((resolve, reject) => {
    req.once('error', reject)
    req.once('response', (res) => resolve(res.resume().statusCode))
  })
  req.flushHeaders()
  await once(req, 'continue')
  req.end('{"query":"{ hello }"}')
  return { status }
}

test('requests that come during the start are answered at its end, whichever it has', async () => {
  for (const [end, wanted] of [['serve', 200] as const, ['stop', 503] as const]) {
    await using server = await startTestServer({}, { starting: true, startPatience: 60_000 })
    const answers = [await arrived(server.url), await arrived(server.url)]
    if (end === 'serve') server.serve()
    else await server.server.stop()
    for (const { status } of answers) assert.equal(await status, wanted)
  }
})
