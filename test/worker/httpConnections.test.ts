import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { errorOf } from './fixtures/attempt.ts'
import { webServer } from './fixtures/webServer.ts'

describe('http targets', () => {
  const web = webServer()
  const { begin, create, perform, answering, received, resolved } = web

  describe('addresses', () => {
    const port = () => new URL(web.origin).port

    it('that are not public are refused before a connection is made, however they are written', async () => {
      const strict = create([])
      web.answer = () => assert.fail('a connection was made')
      for (const host of [
        '127.0.0.1',
        '2130706433',
        '0x7f.1',
        '0177.0.0.1',
        '127.1',
        '127.0.0.1.',
        '[::1]',
        '[::ffff:127.0.0.1]',
        '[::ffff:7f00:1]',
        '0.0.0.0',
      ]) {
        const error = errorOf(await perform({ url: `http://${host}:${port()}/` }, {}, strict))
        assert.deepEqual([error.code, error.retryable], ['ADDRESS_NOT_ALLOWED', false], host)
        assert.match(error.message, /ORRERY_ALLOW_TARGETS/)
      }
      await strict.close()
    })

    it('of a name are checked, and connected to without asking again', async () => {
      answering(200)
      assert.equal((await perform({ url: `http://here.test:${port()}/` })).kind, 'SUCCEEDED')
      assert.deepEqual(resolved, ['here.test'])
      assert.equal(received[0]?.headers.host, `here.test:${port()}`)
    })

    it('of a name that leads inside are refused, even beside one that is allowed', async () => {
      for (const [name, address] of [
        ['inside.test', /10\.0\.0\.1, a private/],
        ['both.test', /10\.0\.0\.1, a private/],
        ['metadata.test', /169\.254\.169\.254, a link-local/],
      ] as const) {
        const error = errorOf(await perform({ url: `http://${name}:${port()}/` }))
        assert.equal(error.code, 'ADDRESS_NOT_ALLOWED')
        assert.match(error.message, address)
      }
      assert.deepEqual(received, [])
    })

    it('that a name changes to are checked again with the next connection', async () => {
      web.answer = (_request, response) => response.writeHead(200, { connection: 'close' }).end()
      let answers = ['127.0.0.1']
      const changing = create(['127.0.0.1'], async () => answers)
      assert.equal((await perform({ url: `http://rebind.test:${port()}/` }, {}, changing)).kind, 'SUCCEEDED')
      answers = ['127.0.0.2']
      assert.equal(errorOf(await perform({ url: `http://rebind.test:${port()}/` }, {}, changing)).code, 'ADDRESS_NOT_ALLOWED')
      await changing.close()
    })
  })

  describe('failures of the network', () => {
    const failing = async (behave: (socket: Socket) => void, scheme = 'http') => {
      const tcp = createTcpServer((socket) => {
        socket.on('error', () => {})
        behave(socket)
      })
      tcp.listen(0, '127.0.0.1')
      await once(tcp, 'listening')
      const outcome = await perform({ url: `${scheme}://127.0.0.1:${(tcp.address() as AddressInfo).port}/` })
      tcp.close()
      return errorOf(outcome)
    }

    it('are told by code, and may be tried again', async () => {
      const free = createTcpServer().listen(0, '127.0.0.1')
      await once(free, 'listening')
      const { port } = free.address() as AddressInfo
      free.close()
      await once(free, 'close')
      const refused = errorOf(await perform({ url: `http://127.0.0.1:${port}/` }))
      assert.deepEqual([refused.code, refused.retryable], ['CONNECTION_REFUSED', true])
      const unknown = errorOf(await perform({ url: 'http://nowhere.test/' }))
      assert.deepEqual([unknown.code, unknown.retryable], ['DNS_FAILED', true])
      assert.equal((await failing((socket) => socket.destroy())).code, 'CONNECTION_LOST')
      assert.equal(
        (await failing((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc', () => socket.destroy()))).code,
        'CONNECTION_LOST',
      )
      assert.equal((await failing((socket) => socket.write('SSH-2.0-OpenSSH\r\n'))).code, 'INVALID_ANSWER')
      assert.equal((await failing((socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`))).code, 'INVALID_ANSWER')
      assert.equal((await failing((socket) => socket.write('no TLS here\r\n'), 'https')).code, 'TLS_FAILED')
    })

    it('after an abort are of no interest', async () => {
      const attempt = begin({ url: 'http://127.0.0.1:1/' })
      attempt.abort()
      assert.deepEqual(await attempt.outcome, { kind: 'CANCELLED' })
    })
  })
})
