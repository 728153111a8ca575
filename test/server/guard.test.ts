import assert from 'node:assert/strict'
import { request } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { createGuard } from '../../src/server/guard.ts'
import { startTestServer, type TestServer } from './testServer.ts'

/** A request with exactly these headers, which fetch would not send. */
function send(
  port: number,
  path: string,
  headers: Record<string, string>,
  method = 'GET',
  body = '',
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, method, headers: { host: `127.0.0.1:${port}`, ...headers } }, (res) => {
      let text = ''
      res.on('data', (chunk) => (text += chunk))
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text }))
    })
    req.on('error', reject)
    req.end(body)
  })
}

/** The status that a WebSocket's upgrade is answered with; 101 where it opens. */
function upgrade(port: number, headers: Record<string, string>, path = '/graphql'): Promise<number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, 'graphql-transport-ws', { headers })
    socket.on('open', () => {
      socket.close()
      resolve(101)
    })
    socket.on('unexpected-response', (_req, res) => {
      res.resume()
      resolve(res.statusCode ?? 0)
    })
    socket.on('error', () => {})
  })
}

describe('a server on a loopback address', () => {
  let server: TestServer
  let port: number
  before(async () => {
    server = await startTestServer({ corsOrigins: ['https://friend.example'] })
    port = server.port
  })
  after(() => server[Symbol.asyncDispose]())

  const paths = ['/graphql?query={hello}', '/ping', '/health/ready', '/', '/nothing']

  test('answers only where the Host header names the loopback and its own port: a rebound name is refused on every path', async () => {
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1',
      `127.0.0.1:${port + 1}`,
      `10.0.0.1:${port}`,
      `127.0.0.1.nip.io:${port}`,
      `localhost.evil.example:${port}`,
      `127.0.0.1@evil.example:${port}`,
      `[::2]:${port}`,
    ]) {
      for (const path of paths) assert.equal((await send(port, path, { host })).status, 403, `${host} ${path}`)
      assert.equal(await upgrade(port, { host }), 403, host)
    }
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`, `127.0.0.9:${port}`]) {
      assert.equal((await send(port, '/ping', { host })).status, 200, host)
      assert.equal(await upgrade(port, { host }), 101, host)
    }
  })

  test('a request without a Host header is refused', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write('GET /graphql?query={hello} HTTP/1.0\r\n\r\n')
    let text = ''
    for await (const chunk of socket) text += chunk
    assert.match(text, /^HTTP\/1.1 403/)
  })

  test('a page of another origin is refused, over HTTP and WebSocket, reading and writing', async () => {
    const query = '{"query":"mutation { bump }"}'
    for (const origin of [
      'https://evil.example',
      'null',
      'http://127.0.0.1',
      `http://127.0.0.1:${port + 1}`,
      `https://127.0.0.1:${port}`,
      `http://evil.example:${port}`,
      'file://',
      'https://friend.example.evil',
      'http://friend.example',
    ]) {
      assert.equal((await send(port, '/graphql', { origin, 'content-type': 'application/json' }, 'POST', query)).status, 403, origin)
      assert.equal((await send(port, '/graphql', { origin, 'content-type': 'text/plain' }, 'POST', query)).status, 403, origin)
      assert.equal((await send(port, '/graphql', { origin, 'access-control-request-method': 'POST' }, 'OPTIONS')).status, 403, origin)
      assert.equal(await upgrade(port, { origin }), 403, origin)
    }
    for (const origin of [`http://127.0.0.1:${port}`, `http://localhost:${port}`, 'https://friend.example']) {
      assert.equal((await send(port, '/graphql', { origin, 'content-type': 'application/json' }, 'POST', query)).status, 200, origin)
      assert.equal(await upgrade(port, { origin }), 101, origin)
    }
  })

  test('what a page embeds without an Origin is refused; following a link is not', async () => {
    assert.equal((await send(port, '/graphql?query={hello}', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).status, 403)
    assert.equal((await send(port, '/graphql?query={hello}', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' })).status, 403)
    assert.equal((await send(port, '/graphql', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 'POST')).status, 403)
    assert.equal((await send(port, '/ping', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })).status, 200)
    assert.equal((await send(port, '/ping', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' })).status, 200)
  })

  test('a configured origin may read answers, without credentials; nobody else is named', async () => {
    const preflight = await send(port, '/graphql', { origin: 'https://friend.example', 'access-control-request-method': 'POST' }, 'OPTIONS')
    assert.equal(preflight.status, 204)
    assert.equal(preflight.headers['access-control-allow-origin'], 'https://friend.example')
    assert.match(String(preflight.headers['access-control-allow-headers']), /content-type/)
    assert.equal(preflight.headers['access-control-allow-credentials'], undefined)
    const own = await send(port, '/ping', { origin: `http://127.0.0.1:${port}` })
    assert.equal(own.headers['access-control-allow-origin'], undefined)
    assert.match(String(own.headers.vary), /Origin/)
  })

  test('only /graphql is upgraded', async () => {
    assert.equal(await upgrade(port, {}, '/'), 404)
    assert.equal(await upgrade(port, {}, '/graphql/other'), 404)
  })
})

test('elsewhere than on a loopback address any name is taken, but pages of other origins are not', () => {
  const guard = createGuard({ host: '0.0.0.0', port: () => 4_000, corsOrigins: [] })
  assert.equal(guard.refusal('GET', { host: 'orrery.example' }), null)
  assert.equal(guard.refusal('POST', { host: 'orrery.example', origin: 'https://orrery.example' }), null)
  assert.match(guard.refusal('POST', { host: 'orrery.example', origin: 'https://evil.example' }) ?? '', /evil\.example/)
  assert.match(guard.refusal('POST', { host: 'orrery.example', origin: 'null' }) ?? '', /null/)
})
