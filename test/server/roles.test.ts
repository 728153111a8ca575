import assert from 'node:assert/strict'
import { once } from 'node:events'
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
  await using server = await startTestServer({}, { starting: true, readiness: async () => ({ database: 'not open yet' }) })
  const { url } = server
  const { status, body, headers } = await post(url, { query: '{ hello }' })
  assert.deepEqual([status, body.errors[0].extensions.code, headers.get('retry-after')], [503, 'UNAVAILABLE', '1'])
  assert.equal(await upgradeStatus(url), 503)
  assert.equal((await fetch(`${url}/health/live`)).status, 200)
  assert.deepEqual((await reply(await fetch(`${url}/health/ready`))).body, { status: 'not ready', checks: { database: 'not open yet' } })
  server.serve()
  assert.equal((await post(url, { query: '{ hello }' })).status, 200)
})
