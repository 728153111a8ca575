import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { TargetInput } from '../../../src/commands/inputs.ts'
import type { Random } from './seeded.ts'

const WAYS = { well: 60, slow: 14, badly: 8, busy: 4, away: 4, never: 2, gone: 3, nowhere: 3, flaky: 6 } as const

/** A web server that HTTP targets call. It answers as the path says: well, slowly, badly, later, or not at all. */
export class Receiver {
  /** Requests by the run that made them. */
  readonly requests = new Map<string, number>()
  readonly #server = createServer((request, response) => void this.#answer(request, response))
  #origin = ''
  count = 0

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.#origin = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    this.#server.unref()
    this.#server.on('connection', (socket) => socket.unref())
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  target(random: Random): TargetInput {
    const way = random.weighted(WAYS)
    const path = way === 'slow' ? `/slow/${random.int(50, 1_200)}` : `/${way}`
    return { http: { url: this.#origin + path, method: random.pick(['POST', 'PUT', 'GET'] as const) } }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const run = request.headers['orrery-run-id'] as string
    this.count += 1
    this.requests.set(run, (this.requests.get(run) ?? 0) + 1)
    request.resume()
    const [, way, milliseconds] = request.url!.split('/')
    const say = (status: number, headers: Record<string, string> = {}): void =>
      void response.writeHead(status, headers).end('{"heard":true}')
    switch (way as keyof typeof WAYS) {
      case 'well':
        return say(200)
      case 'slow':
        await delay(Number(milliseconds))
        return say(201)
      case 'badly':
        return say(500)
      case 'busy':
        return say(429, { 'retry-after': '1' })
      case 'away':
        return say(503, { 'retry-after': '1' })
      case 'nowhere':
        return say(404)
      case 'flaky':
        return say(request.headers['orrery-attempt'] === '1' ? 502 : 200)
      case 'gone':
        return void request.socket.destroy()
      case 'never':
        return
    }
  }
}
