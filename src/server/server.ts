import { createServer as createHttpServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { type AddressInfo, Server as NetServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { SECOND } from '../domain/instant.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { periodicService } from '../periodic.ts'
import type { Service } from '../services.ts'
import type { GraphqlService } from './graphqlService.ts'
import { createGuard } from './guard.ts'
import { askReadiness, type Checks } from './health.ts'
import { type ApiState, createRequestHandler, notHere } from './requestHandler.ts'
import { EVERYBODY } from './viewer.ts'

export interface ServerDeps {
  readonly config: Pick<Config, 'host' | 'port' | 'roles' | 'corsOrigins' | 'maxSockets'>
  readonly log: Log
  /** What the process needs to do its work, each `ok` or what is wrong with it. */
  readonly readiness: () => Promise<Checks>
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>
  /** How long requests for the API wait for the end of the start, in milliseconds. */
  readonly startPatience?: number
  /** How long a stop waits for answers under way and for clients to hang up, in milliseconds. */
  readonly grace?: number
}

export interface Server extends Service {
  /** Where it listens, without a path: `http://127.0.0.1:4000`. Known once started. */
  readonly url: string
  /** From now on the API is answered. Until then, and in a process without the role, `/graphql` says why it is not. */
  serve(graphql: GraphqlService): void
  /** From now on `/health/ready` answers 503, so that nobody sends new work here; all else goes on. */
  drain(): void
}

const OPTIONS = {
  // How long a client may take to send its request, so that many slow ones do not hold the server.
  headersTimeout: 10 * SECOND,
  requestTimeout: 30 * SECOND,
  keepAliveTimeout: 30 * SECOND,
  connectionsCheckingInterval: 5 * SECOND,
  // Clients that offer HTTP/2 with their request (Java's does by default) are answered as they asked.
  shouldUpgradeCallback: ({ headers }: IncomingMessage) => headers.upgrade?.toLowerCase() === 'websocket',
}

/**
 * HTTP, server-sent events and WebSockets on one port. It listens before there is a database, so that whoever watches the process is
 * answered from its first moment on.
 */
export function createServer({ config, log, readiness, metrics, startPatience = 5 * SECOND, grace = 2 * SECOND }: ServerDeps): Server {
  let port = config.port
  let draining = false
  const start = Promise.withResolvers<void>()
  let api: ApiState = config.roles.includes('api') ? { kind: 'starting', over: start.promise } : { kind: 'elsewhere', roles: config.roles }

  const guard = createGuard({ host: config.host, port: () => port, corsOrigins: config.corsOrigins })
  const sweep = async (): Promise<void> => {
    if (api.kind === 'here') api.graphql.sweep()
  }
  const sweeping = periodicService('sweeping', [{ name: 'sockets and streams', every: SECOND, runOnce: sweep }], log)
  const handle = createRequestHandler({
    guard,
    viewer: EVERYBODY,
    api: () => api,
    startPatience,
    metrics,
    health: () => askReadiness(readiness, draining, log),
    log,
  })

  const answering = new Set<ServerResponse>()
  const http = createHttpServer(OPTIONS, (req, res) => {
    answering.add(res)
    res.once('close', () => answering.delete(res))
    if (draining) res.setHeader('connection', 'close')
    void handle(req, res)
  })
  http.on('upgrade', (req, socket, head) => {
    socket.on('error', () => socket.destroy())
    const refusal = refuseUpgrade(req)
    if (refusal !== null) endUpgrade(socket, ...refusal)
    else if (api.kind === 'here') api.graphql.accept(req, socket, head)
  })
  http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (socket.writable && error.code !== 'ECONNRESET')
      endUpgrade(
        socket,
        error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400,
        'The request cannot be read.',
      )
    else socket.destroy()
  })

  function refuseUpgrade(req: IncomingMessage): [status: number, reason: string] | null {
    const refusal = guard.refusal('UPGRADE', req.headers)
    if (refusal !== null) return [403, refusal]
    if (req.url?.split('?')[0] !== '/graphql') return [404, 'WebSockets are at /graphql.']
    if (draining) return [503, 'The server is stopping.']
    if (api.kind !== 'here') return [...notHere(api)]
    return api.graphql.sockets >= config.maxSockets ? [503, `The server has ${config.maxSockets} WebSockets; no more are taken.`] : null
  }

  return {
    name: 'server',
    get url() {
      return `http://${urlHost(config.host)}:${port}`
    },
    serve(graphql) {
      api = { kind: 'here', graphql }
      start.resolve()
    },
    drain() {
      draining = true
    },
    async start() {
      await new Promise<void>((resolve, reject) => {
        http.once('error', reject)
        http.listen({ host: config.host, port: config.port }, () => {
          http.off('error', reject)
          port = (http.address() as AddressInfo).port
          resolve()
        })
      })
      http.on('error', (error) => log.error({ err: error }, 'the HTTP server failed'))
      await sweeping.start()
    },
    async stop() {
      draining = true
      start.resolve()
      await sweeping.stop()
      if (!http.listening) return
      // The door is shut, and whoever knocks goes elsewhere at once. Connections that are kept stay for a moment, and each answer asks to close
      // its own: a proxy may be sending a request on one, which it would not repeat, and needs to see that the door is shut.
      const closed = new Promise((resolve) => NetServer.prototype.close.call(http, resolve))
      // A stream is cut, not ended: its client shall take that for a broken line and resume elsewhere.
      for (const res of answering) if (String(res.getHeader('content-type')).startsWith('text/event-stream')) res.destroy()
      const forced = setTimeout(() => http.closeAllConnections(), grace)
      const socketsClosed = api.kind === 'here' ? api.graphql.close(grace) : null
      await Promise.race([closed, sleep(grace / 10)])
      const idle = setInterval(() => http.closeIdleConnections(), 20)
      await socketsClosed
      await closed
      clearInterval(idle)
      clearTimeout(forced)
    },
  }
}

function endUpgrade(socket: Duplex, status: number, reason: string): void {
  const text = `${reason}\n`
  // A client that does not hang up must not keep the connection.
  setTimeout(() => socket.destroy(), SECOND).unref()
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
}

/** An address as it can be called: one that means "all of them" is not. */
function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
