import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Recorder } from './recorder.ts'

export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Milliseconds since the epoch. */
  readonly receivedAt: number
}

export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface WebhookServer {
  /** `http://127.0.0.1:12345` */
  readonly origin: string
  readonly requests: Recorder<ReceivedRequest>
  close(): Promise<void>
}

/** A server of one's own that HTTP targets call. It keeps every request, and answers 200 unless told otherwise. */
export async function startWebhookServer(
  answer: (request: ReceivedRequest) => Answer | Promise<Answer> = () => ({}),
): Promise<WebhookServer> {
  const requests = new Recorder<ReceivedRequest>()
  const server = createServer((incoming, outgoing) => {
    const receivedAt = Date.now()
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', async () => {
      const request = {
        method: incoming.method!,
        path: incoming.url!,
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString('utf8'),
        receivedAt,
      }
      requests.add(request)
      const { status = 200, headers = {}, body = '' } = await answer(request)
      outgoing.writeHead(status, headers).end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  server.unref()
  server.on('connection', (socket) => socket.unref())
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, close }
}
