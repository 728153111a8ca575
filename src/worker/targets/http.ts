import { STATUS_CODES } from 'node:http'
import type { Agent, Dispatcher } from 'undici'
import { ANY_SUCCESS, expectsStatus } from '../../domain/expectStatus.ts'
import type { Instant } from '../../domain/instant.ts'
import type { HttpTarget } from '../../domain/job.ts'
import type { Outcome } from '../../domain/run.ts'
import type { Performer, RunContext } from '../runContext.ts'
import type { AddressGuard } from './addresses.ts'
import { answerOutput, readStart, retryAfter } from './httpAnswer.ts'
import { openConnections, type ResolveName } from './httpConnections.ts'
import { requestFailure } from './httpErrors.ts'
import { firstRequest, type HttpRequest, requestHeaders, requestLine } from './httpRequest.ts'
import { CANCELLED, failed, succeeded } from './outcomes.ts'

const MAX_REDIRECTS = 5
const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** Answers below 500 after which the same request may do better. */
const RETRYABLE_CLIENT_ERRORS = new Set([408, 425, 429])
const SAYS_WHEN = new Set([429, 503])

export interface HttpOptions {
  readonly guard: AddressGuard
  readonly resolve: ResolveName
  /** `whsec_…`: signs the requests of targets without a secret of their own. */
  readonly signingSecret: string
  readonly now: () => Instant
}

export interface HttpPerformer extends Performer<HttpTarget> {
  /** Loads what the first request needs, so that it goes out at its instant like any other. */
  warmUp(): Promise<void>
  close(): Promise<void>
}

/** Performs HTTP targets: one signed request, redirects within its origin followed, success by `expectStatus`. */
export function createHttpPerformer(options: HttpOptions): HttpPerformer {
  let connections: Promise<Agent> | null = null
  const open = (): Promise<Agent> => {
    connections ??= openConnections(options.guard, options.resolve)
    return connections
  }
  return {
    async perform(target, context) {
      if (context.signal.aborted) return CANCELLED
      return performRequest(target, context, await open(), options)
    },
    async warmUp() {
      await open()
    },
    async close() {
      await (await connections)?.destroy()
    },
  }
}

async function performRequest(target: HttpTarget, context: RunContext, agent: Agent, options: HttpOptions): Promise<Outcome> {
  let request = firstRequest(target, context.attempt.payload)
  try {
    for (let redirects = 0; ; redirects++) {
      const answer = await send(request, target, context, agent, options)
      const next = expectsStatus(target.expectStatus, answer.statusCode) ? null : redirection(request, answer)
      if (next === null || next.url.origin !== request.url.origin || redirects === MAX_REDIRECTS) {
        const { bytes, truncated } = await readStart(answer.body)
        const output = answerOutput(answer.statusCode, answer.headers, { bytes, truncated })
        if (next !== null) return redirectFailure(request, next, output)
        return judge(target, request, answer, output, options.now())
      }
      answer.body.on('error', () => {}).destroy()
      context.log('DEBUG', `${requestLine(request)} answered ${answer.statusCode}: following it to ${next.url.pathname}`)
      request = next
    }
  } catch (error) {
    return context.signal.aborted ? CANCELLED : failed(requestFailure(requestLine(request), error))
  }
}

function send(
  request: HttpRequest,
  target: HttpTarget,
  context: RunContext,
  agent: Agent,
  options: HttpOptions,
): Promise<Dispatcher.ResponseData> {
  const { url, method, body } = request
  const headers = requestHeaders(request, target, context.attempt, target.secret ?? options.signingSecret, options.now())
  return agent.request({ origin: url.origin, path: url.pathname + url.search, method, headers, body, signal: context.signal })
}

/**
 * The request that a redirect asks for, or null. 303 means "look there", a GET; any other repeats the request: turning a POST into a GET,
 * as browsers do after 301 and 302, would report a payload delivered that was not.
 */
function redirection(request: HttpRequest, { statusCode, headers }: Dispatcher.ResponseData): HttpRequest | null {
  const { location } = headers
  if (!REDIRECTS.has(statusCode) || typeof location !== 'string' || !URL.canParse(location, request.url.href)) return null
  const url = new URL(location, request.url.href)
  if (statusCode !== 303) return { ...request, url }
  return { url, method: request.method === 'HEAD' ? 'HEAD' : 'GET', body: null }
}

function redirectFailure(request: HttpRequest, next: HttpRequest, output: string): Outcome {
  const line = requestLine(request)
  return next.url.origin === request.url.origin
    ? failed({ code: 'TOO_MANY_REDIRECTS', message: `${line}: more than ${MAX_REDIRECTS} redirects.`, retryable: false, output })
    : failed({
        code: 'REDIRECT_REFUSED',
        message: `${line} redirects to another origin, ${next.url.origin}, where requests are not followed to; name the final URL in the target.`,
        retryable: false,
        output,
      })
}

function judge(
  target: HttpTarget,
  request: HttpRequest,
  { statusCode, headers }: Dispatcher.ResponseData,
  output: string,
  now: Instant,
): Outcome {
  if (expectsStatus(target.expectStatus, statusCode)) return succeeded(output)
  const status = `${statusCode} ${STATUS_CODES[statusCode] ?? ''}`.trimEnd()
  const expected = target.expectStatus.length > 0 ? target.expectStatus : ANY_SUCCESS
  return failed({
    code: 'HTTP_STATUS',
    message: `${requestLine(request)} answered ${status}; expected ${expected.join(', ')}.`,
    retryable: statusCode < 400 || statusCode >= 500 || RETRYABLE_CLIENT_ERRORS.has(statusCode),
    retryAfter: SAYS_WHEN.has(statusCode) ? retryAfter(headers, now) : null,
    output,
  })
}
