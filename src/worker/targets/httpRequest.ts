import { type Instant, toIso } from '../../domain/instant.ts'
import type { HttpMethod, HttpTarget } from '../../domain/job.ts'
import type { BegunAttempt } from '../../engine/store/store.ts'
import { signatureHeaders } from './httpSignature.ts'

/** One request of an attempt: the first, or one that follows a redirect. */
export interface HttpRequest {
  readonly url: URL
  readonly method: HttpMethod
  /** The payload as stored, or null for none: GET and HEAD send none, nor does a run without a payload. */
  readonly body: string | null
}

export function firstRequest(target: HttpTarget, payload: string | null): HttpRequest {
  const bare = target.method === 'GET' || target.method === 'HEAD'
  return { url: new URL(target.url), method: target.method, body: bare ? null : payload }
}

/** As messages name it: without the query, which may hold a secret. */
export function requestLine({ url, method }: HttpRequest): string {
  return `${method} ${url.origin}${url.pathname}`
}

/** Names and values in turn. Every request is signed anew, over exactly the body that it sends. */
export function requestHeaders(request: HttpRequest, target: HttpTarget, attempt: BegunAttempt, secret: string, now: Instant): string[] {
  const given = new Set(target.headers.map(({ name }) => name.toLowerCase()))
  const standard = {
    ...(given.has('user-agent') ? {} : { 'user-agent': 'Orrery' }),
    ...(request.body === null || given.has('content-type') ? {} : { 'content-type': 'application/json' }),
    ...signatureHeaders(secret, { id: attempt.runId, timestamp: now, body: request.body ?? '' }),
    'idempotency-key': attempt.runId,
    'orrery-run-id': attempt.runId,
    'orrery-attempt': String(attempt.attempt),
    'orrery-scheduled-for': toIso(attempt.scheduledFor),
  }
  const own = target.headers.filter(({ name }) => request.body !== null || !/^content-/i.test(name))
  return [...own.flatMap(({ name, value }) => [name, value]), ...Object.entries(standard).flat()]
}
