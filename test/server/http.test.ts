import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { post, reply, startTestServer, type TestServer } from './testServer.ts'

const GRAPHQL = 'application/graphql-response+json'
const get = (url: string, init: RequestInit = {}): Promise<Response> => fetch(url, { redirect: 'manual', ...init })

describe('GraphQL over HTTP', () => {
  let server: TestServer
  let url: string
  before(async () => {
    server = await startTestServer()
    url = server.url
  })
  after(() => server[Symbol.asyncDispose]())

  const ask = (query: string, accept?: string, more: object = {}): ReturnType<typeof post> =>
    post(url, { query, ...more }, accept === undefined ? {} : { accept })
  const asked = async (search: Record<string, string>, accept = 'application/json'): ReturnType<typeof reply> =>
    reply(await get(`${url}/graphql?${new URLSearchParams(search)}`, { headers: { accept } }))

  test('answers a query by POST and by GET with the media type that was asked for', async () => {
    for (const accept of ['application/json', GRAPHQL]) {
      for (const answer of [await ask('{ hello }', accept), await asked({ query: '{ hello }' }, accept)]) {
        assert.equal(answer.status, 200)
        assert.equal(answer.headers.get('content-type'), `${accept}; charset=utf-8`)
        assert.deepEqual(answer.body, { data: { hello: 'hello world' }, extensions: { cost: 0 } })
      }
    }
    const cases = {
      '*/*': 'application/json',
      [`${GRAPHQL}, application/json;q=0.9`]: GRAPHQL,
      [`application/json;q=0.1, ${GRAPHQL};q=0.5`]: GRAPHQL,
      [`${GRAPHQL}, application/json, text/event-stream, multipart/mixed`]: GRAPHQL,
    }
    for (const [accept, type] of Object.entries(cases))
      assert.equal((await ask('{ hello }', accept)).headers.get('content-type'), `${type}; charset=utf-8`, accept)
  })

  test('takes variables and the name of the operation, by POST and by GET', async () => {
    const query = 'query One { hello } query Two($name: String) { hello(name: $name) }'
    const more = { operationName: 'Two', variables: { name: 'you' } }
    assert.deepEqual((await ask(query, undefined, more)).body, { data: { hello: 'hello you' }, extensions: { cost: 0 } })
    assert.deepEqual((await asked({ query, operationName: 'Two', variables: '{"name":"you"}' })).body, {
      data: { hello: 'hello you' },
      extensions: { cost: 0 },
    })
  })

  test('what was not executed is 400 under graphql-response+json and 200 under json, with a code and without data', async () => {
    const cases = [
      { query: '{ hello', code: 'GRAPHQL_PARSE_FAILED' },
      { query: '{ nothing }', code: 'GRAPHQL_VALIDATION_FAILED' },
      { query: '{ twice(of: "x") }', code: 'BAD_USER_INPUT' },
      { query: 'query ($of: Int!) { twice(of: $of) }', code: 'BAD_USER_INPUT' },
      { query: 'query One { hello } query Two { hello }', code: 'GRAPHQL_VALIDATION_FAILED' },
    ]
    for (const { query, code } of cases) {
      for (const send of [(accept: string) => ask(query, accept), (accept: string) => asked({ query }, accept)]) {
        const strict = await send(GRAPHQL)
        const legacy = await send('application/json')
        assert.deepEqual([strict.status, legacy.status], [400, 200], query)
        assert.equal(strict.body.errors[0].extensions.code, code, query)
        assert.equal('data' in strict.body || 'data' in legacy.body, false)
        assert.deepEqual(strict.body, legacy.body)
        assert.equal('http' in strict.body.errors[0].extensions, false)
      }
    }
  })

  test('what is no request is 400 with the reason; no body at all too', async () => {
    const bodies = [
      '',
      'nonsense',
      '{"query":',
      '[]',
      '[{"query":"{ hello }"}]',
      'null',
      '7',
      '{}',
      '{"query":7}',
      '{"query":"{ hello }","variables":[]}',
      '{"query":"{ hello }","variables":"{}"}',
      '{"query":"{ hello }","operationName":7}',
      '{"query":"{ hello }","extensions":"x"}',
    ]
    for (const body of bodies) {
      const answer = await post(url, body)
      assert.equal(answer.status, 400, body)
      assert.equal(answer.body.errors[0].extensions.code, 'BAD_USER_INPUT', body)
      assert.match(answer.body.errors[0].message, /\w+/)
    }
    for (const search of [{ query: '{ hello }', variables: '{' }, { query: '{ hello }', variables: '7' }, {}] as Record<string, string>[]) {
      const answer = await asked(search)
      assert.equal(answer.status, 400, JSON.stringify(search))
      assert.equal(answer.body.errors[0].extensions.code, 'BAD_USER_INPUT')
    }
  })

  test('only uncompressed JSON is read: forms, text and other encodings are 415', async () => {
    const headers: Record<string, string>[] = [
      { 'content-type': 'application/x-www-form-urlencoded' },
      { 'content-type': 'multipart/form-data; boundary=x' },
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/graphql' },
      { 'content-type': 'application/json; charset=latin1' },
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    ]
    for (const each of headers) assert.equal((await post(url, 'query={ hello }', each)).status, 415, JSON.stringify(each))
    assert.equal((await reply(await get(`${url}/graphql`, { method: 'POST', body: new Uint8Array([123, 125]) }))).status, 415)
    assert.equal((await post(url, { query: '{ hello }' }, { 'content-type': 'application/json;charset=UTF-8' })).status, 200)
  })

  test('a mutation is not taken by GET, and other methods are refused with what is allowed', async () => {
    const mutation = await asked({ query: 'mutation { bump }' })
    assert.deepEqual([mutation.status, mutation.headers.get('allow')], [405, 'POST'])
    assert.deepEqual((await ask('mutation { bump }')).body, { data: { bump: 1 }, extensions: { cost: 10 } })
    for (const method of ['DELETE', 'PATCH', 'HEAD']) {
      const answer = await get(`${url}/graphql`, { method })
      assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET, POST, PUT, OPTIONS'], method)
    }
  })

  test('a subscription that may not be streamed is 406, and opens nothing', async () => {
    const query = 'subscription { runs { cursor } }'
    assert.equal((await ask(query, 'application/json')).status, 406)
    assert.equal((await asked({ query }, 'application/json')).status, 406)
    assert.equal(server.stream.readers, 0)
  })

  test('a large body is 413 TOO_LARGE, with or without a length, and the connection goes on', async () => {
    const large = { query: '{ hello }', variables: { filling: 'x'.repeat(300_000) } }
    const answer = await post(url, large)
    assert.equal(answer.status, 413)
    assert.equal(answer.body.errors[0].extensions.code, 'TOO_LARGE')
    const chunks = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(JSON.stringify(large)))
        controller.close()
      },
    })
    const streamed = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: chunks,
      duplex: 'half',
    } as RequestInit)
    assert.equal(streamed.status, 413)
    await streamed.text()
    assert.equal((await ask('{ hello }')).status, 200)
  })

  test('a client that offers HTTP/2 along with its request is answered in HTTP/1.1', async () => {
    const socket = connect(server.port, '127.0.0.1')
    const headers = `Host: 127.0.0.1:${server.port}\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA`
    socket.end(`POST /graphql HTTP/1.1\r\n${headers}\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\n{"query":"{hello}"}`)
    let text = ''
    for await (const chunk of socket) text += chunk
    assert.match(text, /^HTTP\/1\.1 200 OK/)
    assert.match(text, /hello world/)
  })

  test('a body that never ends is cut off', async () => {
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(
      `POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    )
    const chunk = Buffer.from(`10000\r\n${'x'.repeat(65_536)}\r\n`)
    let sent = 0
    const closed = new Promise((resolve) => socket.once('close', resolve))
    const send = (): void => {
      while (!socket.destroyed && sent < 64_000_000) {
        sent += 65_536
        if (!socket.write(chunk)) return void socket.once('drain', send)
      }
    }
    socket.resume()
    send()
    await closed
    assert.ok(sent < 64_000_000)
  })

  test('hostile documents are refused: too many tokens, too deep, introspection in circles', async () => {
    const many = await ask(`{ ${'hello '.repeat(6_000)} }`, GRAPHQL)
    assert.equal(many.body.errors[0].extensions.code, 'TOO_LARGE')
    const deep = await ask(`${'{a'.repeat(2_400)}${'}'.repeat(2_400)}`, GRAPHQL)
    assert.equal(deep.status, 400)
    const circles = await ask(
      '{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }',
      GRAPHQL,
    )
    assert.match(circles.body.errors[0].message, /introspection depth/i)
    assert.equal((await ask('{ __schema { types { name fields { name } } } }')).body.errors, undefined)
  })

  test('bugs are masked with the id of the request, which stands in the log beside them; what is meant for clients is not', async () => {
    for (const answer of [
      await post(url, { query: '{ bug hello }' }, { 'x-request-id': 'req-1' }),
      await reply(await get(`${url}/graphql?query={bug hello}`, { headers: { accept: 'application/json', 'x-request-id': 'req-1' } })),
    ]) {
      assert.equal(answer.status, 200)
      assert.deepEqual(answer.body.data, { bug: null, hello: 'hello world' })
      assert.equal(answer.body.errors[0].extensions.code, 'INTERNAL')
      assert.equal(answer.body.errors[0].extensions.requestId, 'req-1')
      assert.equal(JSON.stringify(answer.body).includes('secret detail'), false)
    }
    assert.ok(server.logged.some((line) => line.includes('secret detail') && line.includes('req-1')))
    const refusal = await ask('{ refusal }')
    assert.deepEqual(refusal.body.errors[0].extensions, { code: 'NOT_FOUND' })
    assert.equal(refusal.body.errors[0].message, 'not this one')
  })

  test('every answer carries an id: the one that came, where it is fit for a log, else a new one', async () => {
    const idOf = async (given: string): Promise<string | null> =>
      (await get(`${url}/ping`, { headers: { 'x-request-id': given } })).headers.get('x-request-id')
    assert.equal(await idOf('abc-123'), 'abc-123')
    assert.match((await idOf('with spaces {}')) ?? '', /^[0-9a-f-]{36}$/)
    assert.match((await idOf('x'.repeat(200))) ?? '', /^[0-9a-f-]{36}$/)
  })

  test('ping, health, and a list of the paths where there is nothing', async () => {
    assert.deepEqual((await reply(await get(`${url}/ping`))).body, { message: 'pong' })
    assert.equal((await get(`${url}/health/live`)).status, 200)
    assert.deepEqual((await reply(await get(`${url}/health/ready`))).body, { status: 'ready', checks: { database: 'ok' } })
    const nothing = await reply(await get(`${url}/nothing?x=1`))
    assert.equal(nothing.status, 404)
    assert.ok('/graphql' in nothing.body.paths)
    assert.deepEqual(
      [(await get(`${url}/ping`, { method: 'POST' })).status, (await get(`${url}/ping`, { method: 'HEAD' })).status],
      [405, 200],
    )
    const root = await get(url, { headers: { accept: 'text/html' } })
    assert.deepEqual([root.status, root.headers.get('location')], [302, '/graphql'])
    assert.ok('/ping' in (await reply(await get(url))).body.paths)
    assert.match(await (await get(`${url}/favicon.ico`)).text(), /^<svg/)
  })

  test('a browser gets GraphiQL with the example operations, in one page that may load nothing from elsewhere', async () => {
    const page = await get(`${url}/graphql`, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } })
    const html = await page.text()
    assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
    assert.match(html, /<title>Orrery<\/title>/)
    assert.match(html, /CreateHeartbeat/)
    assert.doesNotMatch(html, /<(script|link|img)[^>]+(src|href)="(https?:)?\/\//)
    const policy = page.headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none'/)
    assert.match(policy, /frame-ancestors 'none'/)
    assert.doesNotMatch(policy, /https?:/)
    assert.equal(page.headers.get('x-frame-options'), 'DENY')
  })

  test('nothing of all this was an error of the server', () => {
    assert.deepEqual(
      server.logged.filter((line) => !line.includes('secret detail')),
      [],
    )
  })
})

test('readiness names what is not well, a check that hangs or fails included, and says when the server drains', async () => {
  let checks: () => Promise<Record<string, string>> = async () => ({ database: 'away', worker: 'ok' })
  await using server = await startTestServer({}, { readiness: () => checks() })
  const ready = async (): ReturnType<typeof reply> => reply(await fetch(`${server.url}/health/ready`))
  assert.deepEqual(
    [(await ready()).status, (await ready()).body],
    [503, { status: 'not ready', checks: { database: 'away', worker: 'ok' } }],
  )
  checks = () => Promise.reject(new Error('broken'))
  assert.equal((await ready()).status, 503)
  checks = () => new Promise(() => {})
  assert.equal((await ready()).status, 503)
  checks = async () => ({ database: 'ok' })
  assert.equal((await ready()).status, 200)
  server.server.drain()
  assert.deepEqual([(await ready()).status, (await ready()).body.status], [503, 'draining'])
  assert.equal((await fetch(`${server.url}/health/live`)).status, 200)
  assert.equal((await post(server.url, { query: '{ hello }' })).status, 200)
})

test('a port that is taken fails the start with the reason', async () => {
  await using first = await startTestServer()
  await assert.rejects(startTestServer({ port: first.port }), { code: 'EADDRINUSE' })
})
