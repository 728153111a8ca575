import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Viewer } from '../api/context.ts'
import { apiError, formatError } from '../api/errors.ts'
import type { Role } from '../config.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { VERSION } from '../version.ts'
import { FAVICON } from './favicon.ts'
import type { GraphqlService } from './graphqlService.ts'
import type { Guard } from './guard.ts'
import type { Health } from './health.ts'
import { JSON_TYPE, sendError, sendJson } from './httpAnswers.ts'
import type { Caller } from './operations.ts'
import { requestIdOf } from './requestId.ts'

export interface RequestHandlerDeps {
  readonly guard: Guard
  readonly viewer: Viewer
  readonly api: () => ApiState
  /** How long a request waits for the end of the start, in milliseconds. */
  readonly startPatience: number
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>
  readonly health: () => Promise<Health>
  readonly log: Log
}

/** Whether this process answers the API. */
export type ApiState =
  | { readonly kind: 'here'; readonly graphql: GraphqlService }
  /** `over` resolves when it answers the API, or will not any more. */
  | { readonly kind: 'starting'; readonly over: Promise<void> }
  /** Other processes do; this one has the roles. */
  | { readonly kind: 'elsewhere'; readonly roles: readonly Role[] }

type Handler = (req: IncomingMessage, res: ServerResponse, caller: Caller) => void | Promise<void>

/** What stands at which path, as answered to whoever asks for another one. */
const PATHS = {
  '/graphql': 'the API: GET and POST, server-sent events, WebSockets; a browser gets GraphiQL',
  '/health/live': 'whether the process is alive',
  '/health/ready': 'whether it should be given work',
  '/metrics': 'what monitoring asks for, in the text format of Prometheus',
  '/ping': 'answers pong',
}

// GraphiQL is one page with all its code inside. It may talk to us, and to nobody else.
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline' blob:",
  "style-src 'unsafe-inline'",
  'img-src data:',
  'font-src data:',
  'worker-src blob:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Every request over HTTP: who may ask, then by path. Never rejects. */
export function createRequestHandler(deps: RequestHandlerDeps): (req: IncomingMessage, res: ServerResponse) => Promise<void> {
  const { guard, viewer, api, startPatience, metrics, health, log } = deps

  const routes = new Map<string, Handler>([
    ['/graphql', answerApi],
    [
      '/',
      reading((req, res) =>
        accepts(req, 'text/html') && api().kind !== 'elsewhere'
          ? redirect(res, '/graphql')
          : sendJson(res, 200, JSON_TYPE, JSON.stringify({ name: 'orrery', version: VERSION, paths: paths() })),
      ),
    ],
    ['/ping', reading((_req, res) => sendJson(res, 200, JSON_TYPE, '{"message":"pong"}'))],
    ['/health/live', reading((_req, res) => sendJson(res, 200, JSON_TYPE, '{"status":"live"}'))],
    ['/health/ready', reading(sendReadiness)],
    ['/metrics', reading(sendMetrics)],
    ['/favicon.ico', reading((_req, res) => sendFavicon(res))],
  ])

  function answerApi(req: IncomingMessage, res: ServerResponse, caller: Caller): void | Promise<void> {
    const state = api()
    // A start takes a second or two. Who balances by what is under way, and would take a quick refusal for a process with nothing to do, sends
    // it no more than it can hold.
    return state.kind === 'starting'
      ? within(startPatience, state.over).then(() => answerBy(api(), req, res, caller))
      : answerBy(state, req, res, caller)
  }

  function answerBy(state: ApiState, req: IncomingMessage, res: ServerResponse, caller: Caller): void | Promise<void> {
    if (state.kind === 'here') return wantsPage(req) ? sendGraphiql(req, res, state.graphql) : state.graphql.handle(req, res, caller)
    const [status, reason] = notHere(state)
    if (status === 503) res.setHeader('retry-after', 1)
    return sendError(res, status, status === 503 ? 'UNAVAILABLE' : 'NOT_FOUND', reason)
  }

  /** Those that stand here. */
  function paths(): Partial<typeof PATHS> {
    const { '/graphql': graphql, ...others } = PATHS
    return api().kind === 'elsewhere' ? others : PATHS
  }

  async function sendMetrics(_req: IncomingMessage, res: ServerResponse): Promise<void> {
    const text = await metrics.text()
    res.writeHead(200, { 'content-type': metrics.contentType, 'content-length': Buffer.byteLength(text) }).end(text)
  }

  async function sendReadiness(_req: IncomingMessage, res: ServerResponse): Promise<void> {
    const answer = await health()
    sendJson(res, answer.status === 'ready' ? 200 : 503, JSON_TYPE, JSON.stringify(answer))
  }

  async function sendGraphiql(req: IncomingMessage, res: ServerResponse, { graphiql }: GraphqlService): Promise<void> {
    const page = await graphiql()
    const zipped = /\bgzip\b/.test(String(req.headers['accept-encoding'] ?? ''))
    const body = zipped ? page.gzip : page.html
    res.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-length': body.length,
      ...(zipped ? { 'content-encoding': 'gzip' } : {}),
      vary: 'Accept, Accept-Encoding, Origin',
      'content-security-policy': PAGE_POLICY,
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
    })
    res.end(req.method === 'HEAD' ? undefined : body)
  }

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { method = '', headers, url = '/' } = req
    const requestId = requestIdOf(headers['x-request-id'])
    res.setHeader('x-request-id', requestId)
    res.setHeader('x-content-type-options', 'nosniff')
    res.setHeader('cache-control', 'no-store')

    const refusal = guard.refusal(method, headers)
    if (refusal !== null) return sendError(res, 403, 'FORBIDDEN', refusal)
    const origin = guard.corsOrigin(headers)
    res.setHeader('vary', 'Accept, Origin')
    if (origin !== null) {
      res.setHeader('access-control-allow-origin', origin)
      res.setHeader('access-control-expose-headers', 'x-request-id')
    }
    if (method === 'OPTIONS') return sendPreflight(res, origin)

    const query = url.indexOf('?')
    const path = query === -1 ? url : url.slice(0, query)
    const route = routes.get(path)
    if (route === undefined) return sendNothingHere(res, path, paths())
    await route(req, res, { viewer, requestId })
  }

  return async (req, res) => {
    try {
      await handle(req, res)
    } catch (error) {
      if (req.destroyed && !req.complete) return
      log.error({ err: error, requestId: res.getHeader('x-request-id'), url: req.url?.split('?')[0] }, 'a request could not be answered')
      if (res.headersSent) res.destroy()
      else sendError(res, 500, 'INTERNAL', 'Internal error')
    }
  }
}

/** Paths that are only read. HEAD is answered as GET: Node leaves out the body. */
function reading(handler: Handler): Handler {
  return (req, res, caller) => {
    if (req.method === 'GET' || req.method === 'HEAD') return handler(req, res, caller)
    res.setHeader('allow', 'GET, HEAD, OPTIONS')
    return sendError(res, 405, 'BAD_USER_INPUT', `This path answers GET; this was ${req.method}.`)
  }
}

function wantsPage(req: IncomingMessage): boolean {
  return (req.method === 'GET' || req.method === 'HEAD') && accepts(req, 'text/html')
}

function accepts(req: IncomingMessage, type: string): boolean {
  return req.headers.accept?.includes(type) ?? false
}

function redirect(res: ServerResponse, to: string): void {
  res.writeHead(302, { location: to }).end()
}

function sendPreflight(res: ServerResponse, origin: string | null): void {
  if (origin !== null) {
    res.setHeader('access-control-allow-methods', 'GET, POST, PUT, DELETE')
    res.setHeader('access-control-allow-headers', 'content-type, authorization, x-request-id, x-graphql-event-stream-token')
    res.setHeader('access-control-max-age', 600)
  }
  res.writeHead(204, { allow: 'GET, HEAD, POST, PUT, DELETE, OPTIONS' }).end()
}

function sendFavicon(res: ServerResponse): void {
  res
    .writeHead(200, { 'content-type': 'image/svg+xml', 'content-length': Buffer.byteLength(FAVICON), 'cache-control': 'max-age=86400' })
    .end(FAVICON)
}

/** Waits for something, and no longer than so many milliseconds. */
async function within(patience: number, something: Promise<void>): Promise<void> {
  const { promise: tooLate, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, patience)
  await Promise.race([something, tooLate])
  clearTimeout(timer)
}

/** How a request for the API is answered where it is not. */
export function notHere(state: Exclude<ApiState, { kind: 'here' }>): readonly [status: number, reason: string] {
  if (state.kind === 'starting') return [503, 'The server is starting: the API is answered when its database is there.']
  return [
    404,
    `This process does not answer the API: its work is ${state.roles.join(' and ')} (ORRERY_ROLES). Ask one that has the role api.`,
  ]
}

function sendNothingHere(res: ServerResponse, path: string, paths: object): void {
  const error = formatError(apiError('NOT_FOUND', `Nothing is at ${JSON.stringify(path.slice(0, 200))}.`))
  sendJson(res, 404, JSON_TYPE, JSON.stringify({ errors: [error], paths }))
}
