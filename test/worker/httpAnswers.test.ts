import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { errorOf, outputOf } from './fixtures/attempt.ts'
import { NOW, webServer } from './fixtures/webServer.ts'

describe('http targets', () => {
  const web = webServer()
  const { begin, perform, answering, received } = web

  describe('the answer', () => {
    it('is the output: status, headers of interest, and JSON as it came', async () => {
      answering(
        201,
        { 'content-type': 'application/json', 'x-request-id': 'r1', 'x-other': 'no', location: '/made' },
        '{ "id": 12345678901234567890 }',
      )
      const outcome = await perform()
      assert.ok(outcome.kind === 'SUCCEEDED')
      assert.match(outcome.output ?? '', /12345678901234567890/)
      const output = outputOf(outcome) as { status: number; headers: Record<string, string>; truncated: boolean }
      assert.equal(output.status, 201)
      assert.equal(output.truncated, false)
      const { date, ...headers } = output.headers
      assert.ok(date)
      assert.deepEqual(headers, { 'content-type': 'application/json', 'x-request-id': 'r1', location: '/made' })
    })

    it('that is no JSON is text, in its charset', async () => {
      web.answer = (_request, response) =>
        response.writeHead(200, { 'content-type': 'text/plain; charset=iso-8859-1' }).end(Buffer.from('für', 'latin1'))
      assert.equal((outputOf(await perform()) as { body: string }).body, 'für')
      web.answer = (_request, response) => response.writeHead(200, { 'content-type': 'text/plain; charset=x-unknown' }).end('für')
      assert.equal((outputOf(await perform()) as { body: string }).body, 'für')
      answering(204)
      assert.equal((outputOf(await perform()) as { body: string }).body, '')
    })

    it('is cut so that the output fits 64 KiB, however its characters are written', async () => {
      for (const text of [
        'x'.repeat(200_000),
        '\u0001'.repeat(60_000),
        '€'.repeat(30_000),
        '💥'.repeat(40_000),
        `{"a":"${'x'.repeat(65_500)}"}`,
      ]) {
        answering(200, {}, text)
        const outcome = await perform()
        assert.ok(outcome.kind === 'SUCCEEDED' && outcome.output !== null)
        assert.ok(Buffer.byteLength(outcome.output) <= 65_536)
        assert.ok(Buffer.byteLength(outcome.output) > 60_000)
        const { body, truncated } = outputOf(outcome) as { body: string; truncated: boolean }
        assert.ok(truncated)
        assert.ok(text.startsWith(body.replace(/\ufffd$/, '')))
      }
    })

    it('whose body never ends is read no further than needed', async () => {
      let closed: Promise<unknown> = Promise.resolve()
      web.answer = (_request, response) => {
        closed = once(response, 'close')
        const write = () => {
          while (!response.destroyed && response.write('y'.repeat(10_000)));
          if (!response.destroyed) response.once('drain', write)
        }
        response.writeHead(200)
        write()
      }
      const outcome = await perform()
      assert.equal((outputOf(outcome) as { truncated: boolean }).truncated, true)
      await closed
    })

    it('that does not come, or does not end, ends with the signal, and its socket with it', async () => {
      for (const begins of [false, true]) {
        const asked = Promise.withResolvers<{ closed: Promise<unknown> }>()
        web.answer = (_request, response) => {
          asked.resolve({ closed: once(response, 'close') })
          if (begins) response.writeHead(200).write('begin')
        }
        const attempt = begin()
        const { closed } = await asked.promise
        attempt.abort()
        assert.deepEqual(await attempt.outcome, { kind: 'CANCELLED' })
        await closed
      }
    })

    it('decides by its status whether another attempt may do better', async () => {
      for (const [status, retryable] of [
        [400, false],
        [401, false],
        [404, false],
        [410, false],
        [408, true],
        [425, true],
        [429, true],
        [500, true],
        [503, true],
        [304, true],
      ] as const) {
        answering(status, {}, 'why')
        const outcome = await perform({ url: '/hook?token=secret' })
        const error = errorOf(outcome)
        assert.deepEqual([error.code, error.retryable], ['HTTP_STATUS', retryable], String(status))
        assert.match(error.message, new RegExp(`POST http://127.0.0.1:\\d+/hook answered ${status}.*expected 2xx`))
        assert.doesNotMatch(error.message, /secret/)
        assert.equal((outputOf(outcome) as { status: number }).status, status)
      }
    })

    it('is a success by the rules of the target alone', async () => {
      answering(404)
      assert.equal((await perform({ expectStatus: ['2xx', '404'] })).kind, 'SUCCEEDED')
      answering(200)
      assert.equal(errorOf(await perform({ expectStatus: ['201-204'] })).retryable, true)
      answering(302, { location: '/elsewhere' })
      assert.equal((await perform({ expectStatus: ['3xx'] })).kind, 'SUCCEEDED')
      assert.equal(received.length, 1)
    })

    it('may say when to come back, in seconds or as a date, within an hour', async () => {
      const waits = async (status: number, value: string) => {
        answering(status, { 'retry-after': value })
        const outcome = await perform()
        return outcome.kind === 'FAILED' ? outcome.retryAfter : undefined
      }
      assert.equal(await waits(429, '7'), 7_000)
      assert.equal(await waits(503, '0'), 0)
      assert.equal(await waits(503, '86400'), 3_600_000)
      const wait = await waits(503, new Date(NOW + 90_000).toUTCString())
      assert.ok(wait && wait > 88_000 && wait <= 90_000, String(wait))
      assert.equal(await waits(429, new Date(NOW - 90_000).toUTCString()), 0)
      assert.equal(await waits(429, 'soon'), null)
      assert.equal(await waits(500, '7'), null)
    })
  })
})
