import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { webhookSecret } from '../../src/domain/webhookSecret.ts'
import { errorOf, outputOf } from './fixtures/attempt.ts'
import { NOW, type Received, SECRET, webServer } from './fixtures/webServer.ts'

const OWN_SECRET = webhookSecret(new Uint8Array(32).fill(2))

describe('the requests of http targets', () => {
  const web = webServer()
  const { perform, answering, received } = web

  describe('the request', () => {
    it('carries the payload as stored, and says which run it is', async () => {
      answering(200)
      await perform({ url: '/hook?a=1#part' }, { payload: { b: 1, a: ['ü'] }, runId: 'run_42', number: 3 })
      const [request] = received
      assert.equal(request?.method, 'POST')
      assert.equal(request?.url, '/hook?a=1')
      assert.equal(request?.body, '{"b":1,"a":["ü"]}')
      const { headers } = request!
      assert.equal(headers['content-type'], 'application/json')
      assert.equal(headers['content-length'], '18')
      assert.equal(headers['orrery-run-id'], 'run_42')
      assert.equal(headers['orrery-attempt'], '3')
      assert.equal(headers['orrery-scheduled-for'], '2026-01-02T03:04:05.000Z')
      assert.equal(headers['idempotency-key'], 'run_42')
      assert.equal(headers['webhook-id'], 'run_42')
      assert.equal(headers['webhook-timestamp'], String(Math.floor(NOW / 1000)))
    })

    it('is signed so that the standardwebhooks package accepts it, and no other secret or body does', async () => {
      answering(200)
      await perform({}, { payload: { text: 'für 7 €' } })
      const { body, headers } = received[0]!
      assert.deepEqual(new Webhook(SECRET).verify(body, headers as Record<string, string>), { text: 'für 7 €' })
      assert.throws(() => new Webhook(OWN_SECRET).verify(body, headers as Record<string, string>))
      assert.throws(() => new Webhook(SECRET).verify(`${body} `, headers as Record<string, string>))
      await perform({ secret: OWN_SECRET }, { payload: [1] })
      assert.deepEqual(new Webhook(OWN_SECRET).verify(received[0]!.body, received[0]!.headers as Record<string, string>), [1])
    })

    it('has no body for GET, HEAD and a run without a payload, and the signature covers the empty text', async () => {
      answering(200)
      for (const method of ['GET', 'HEAD'] as const) {
        await perform({ method, headers: [{ name: 'Content-Type', value: 'text/plain', secret: false }] }, { payload: { a: 1 } })
        const { body, headers } = received[0]!
        assert.equal(body, '')
        assert.equal(headers['content-type'], undefined)
        new Webhook(SECRET).verify(body, headers as Record<string, string>)
      }
      await perform({ method: 'DELETE' })
      assert.equal(received[0]?.body, '')
      assert.equal(received[0]?.headers['content-type'], undefined)
    })

    it('carries the headers of the target', async () => {
      answering(200)
      const headers = [
        { name: 'Authorization', value: 'Bearer x', secret: true },
        { name: 'content-type', value: 'application/vnd.own+json', secret: false },
        { name: 'User-Agent', value: 'mine', secret: false },
      ]
      await perform({ headers }, { payload: 1 })
      assert.equal(received[0]?.headers.authorization, 'Bearer x')
      assert.equal(received[0]?.headers['content-type'], 'application/vnd.own+json')
      assert.equal(received[0]?.headers['user-agent'], 'mine')
    })

    it('reuses connections', async () => {
      answering(200)
      const ports = new Set<number | undefined>()
      for (let i = 0; i < 10; i++) {
        await perform()
        ports.add(received[0]?.socket.remotePort)
      }
      assert.ok(ports.size <= 2, `${ports.size} connections for 10 requests in turn`)
    })
  })

  describe('redirects', () => {
    const redirecting = (status: number, to: (request: Received) => string) => {
      web.answer = (request, response) =>
        request.url === '/from' ? response.writeHead(status, { location: to(request) }).end('moved') : response.end('there')
    }

    it('within the origin are followed with the same request, signed anew', async () => {
      for (const status of [301, 302, 307, 308]) {
        redirecting(status, () => '/to?x=1')
        const outcome = await perform({ url: '/from' }, { payload: { a: 1 } })
        assert.equal((outputOf(outcome) as { body: string }).body, 'there')
        assert.deepEqual(
          received.map(({ method, url, body }) => [method, url, body]),
          [
            ['POST', '/from', '{"a":1}'],
            ['POST', '/to?x=1', '{"a":1}'],
          ],
        )
        new Webhook(SECRET).verify(received[1]!.body, received[1]!.headers as Record<string, string>)
      }
    })

    it('of status 303 are followed with a GET without a body', async () => {
      redirecting(303, () => '/to')
      await perform({ url: '/from' }, { payload: { a: 1 } })
      const { method, body, headers } = received[1]!
      assert.deepEqual([method, body, headers['content-type']], ['GET', '', undefined])
      new Webhook(SECRET).verify('', headers as Record<string, string>)
    })

    it('to another origin are not followed', async () => {
      const other = createServer((_request, response) => assert.fail(`asked ${response}`))
      other.listen(0, '127.0.0.1')
      await once(other, 'listening')
      const { port } = other.address() as AddressInfo
      for (const location of [
        `http://127.0.0.1:${port}/to`,
        'http://169.254.169.254/latest',
        'https://example.com/',
        '//example.com/x',
        'file:///etc/passwd',
      ]) {
        redirecting(302, () => location)
        const outcome = await perform({ url: '/from' })
        const error = errorOf(outcome)
        assert.deepEqual([error.code, error.retryable], ['REDIRECT_REFUSED', false], location)
        assert.equal((outputOf(outcome) as { status: number }).status, 302)
      }
      other.close()
    })

    it('are followed five times and no more', async () => {
      web.answer = (request, response) => {
        const step = Number(request.url.slice(1))
        if (step === 0) response.end('done')
        else response.writeHead(302, { location: `/${step - 1}` }).end()
      }
      assert.equal((await perform({ url: '/5' })).kind, 'SUCCEEDED')
      assert.equal(errorOf(await perform({ url: '/6' })).code, 'TOO_MANY_REDIRECTS')
    })

    it('that lead nowhere are answers', async () => {
      answering(302)
      assert.equal(errorOf(await perform()).code, 'HTTP_STATUS')
      answering(302, { location: 'http://[' })
      assert.equal(errorOf(await perform()).code, 'HTTP_STATUS')
    })
  })
})
