import type { IncomingMessage, ServerResponse } from 'node:http'
import { formatResult } from '../api/errors.ts'
import type { EventStreams } from './eventStreams.ts'
import { acceptsEventStream, JSON_TYPE, jsonTypeFor, refusalStatus, sendError, sendErrors, sendJson } from './httpAnswers.ts'
import type { OperationParams, Prepared } from './documents.ts'
import type { Answer, Caller, Operations } from './operations.ts'
import { MAX_BODY, readBody, readParams } from './requestBody.ts'
import type { Outcome, SharedAnswers } from './sharedAnswers.ts'
import { sharedQuestion } from './sharing.ts'
import { mayBeLarge, writtenInSlices } from './writtenOut.ts'
import type { YogaHandler } from './yogaHandler.ts'

export type GraphqlHandler = (req: IncomingMessage, res: ServerResponse, caller: Caller) => Promise<void>

const JSON_BODY = /^application\/json\s*(;\s*charset\s*=\s*"?utf-?8"?\s*)?$/i

/**
 * `/graphql` over HTTP. A POST of JSON that wants JSON back, which is nearly all that comes, is answered here, without the cost of the
 * Fetch API; everything else is Yoga's. Both answer alike: the tests hold the same questions to both.
 */
export function createGraphqlHandler({
  operations,
  yoga,
  streams,
  answers,
}: {
  readonly operations: Operations
  readonly yoga: YogaHandler
  readonly streams: EventStreams
  readonly answers: SharedAnswers
}): GraphqlHandler {
  /** What carries no operation in its body. */
  function answerBodiless(req: IncomingMessage, res: ServerResponse, token: string | null, caller: Caller): void | Promise<void> {
    if (req.method === 'GET') return token === null ? yoga(req, res, null, caller) : streams.open(res, token)
    if (req.method === 'PUT') return streams.reserve(res)
    if (req.method === 'DELETE' && token !== null) return streams.complete(res, token, parameterOf(req, 'operationId'))
    res.setHeader('allow', 'GET, POST, PUT, OPTIONS')
    const message = `/graphql answers GET and POST, PUT for a new event stream, and DELETE with the token of one; this was ${req.method}.`
    return sendError(res, 405, 'BAD_USER_INPUT', message)
  }

  return async (req, res, caller) => {
    const token = tokenOf(req)
    if (req.method !== 'POST') return answerBodiless(req, res, token, caller)
    // Also what keeps forms of other pages out: a browser asks before it sends JSON across origins.
    const { 'content-type': contentType, 'content-encoding': encoding, accept } = req.headers
    if (!JSON_BODY.test(contentType ?? '') || (encoding ?? 'identity') !== 'identity') {
      return sendError(
        res,
        415,
        'BAD_USER_INPUT',
        `Send the request as application/json in UTF-8, not compressed; this was ${[contentType ?? 'without a content-type', encoding].filter(Boolean).join(', ')}.`,
      )
    }
    const body = await readBody(req)
    if (body === null) return sendError(res, 413, 'TOO_LARGE', `The request is larger than ${MAX_BODY} bytes.`)

    const params = paramsOf(body)
    if (typeof params === 'string') return sendError(res, 400, 'BAD_USER_INPUT', params)

    if (token !== null) return streams.operate(res, token, params, caller)
    const type = jsonTypeFor(accept)
    const prepared = operations.prepare(params, caller)
    if ('refused' in prepared) {
      // A client that reads nothing but events is told in the stream.
      if (type === null && acceptsEventStream(accept)) return yoga(req, res, body, caller)
      const refusedAs = type ?? JSON_TYPE
      return sendErrors(res, refusalStatus(prepared.refused, refusedAs), refusedAs, prepared.refused)
    }
    if (prepared.operation.operation === 'subscription') {
      if (acceptsEventStream(accept)) return yoga(req, res, body, caller)
      return sendError(
        res,
        406,
        'BAD_USER_INPUT',
        'A subscription is answered as text/event-stream, or over a WebSocket; the Accept header allows neither.',
      )
    }
    if (type === null) return yoga(req, res, body, caller)

    const question = sharedQuestion(prepared, params, caller.viewer)
    const make = () => written(prepared, params, caller)
    const outcome = question === null ? await make() : await answers.answer(question, make)
    if (outcome.kind === 'text') return sendJson(res, 200, type, outcome.text)
    const { own } = outcome
    return own.kind === 'refused' ? sendErrors(res, refusalStatus(own.errors, type), type, own.errors) : sendJson(res, 200, type, own.text)
  }

  /** Errors speak to their caller alone, and may be gone with the next try. */
  async function written(prepared: Prepared, params: OperationParams, caller: Caller): Promise<Outcome<Own>> {
    const answer = await operations.run(prepared, params, caller)
    if (answer.kind === 'refused') return { kind: 'own', own: answer }
    if (answer.kind === 'stream') throw new Error('only subscriptions are answered by a stream')
    const result = formatResult(answer.result)
    const text = mayBeLarge(prepared.cost) ? await writtenInSlices(result) : JSON.stringify(result)
    return answer.result.errors === undefined ? { kind: 'text', text } : { kind: 'own', own: { kind: 'written', text } }
  }
}

type Own = Extract<Answer, { readonly kind: 'refused' }> | { readonly kind: 'written'; readonly text: string }

/** Names the event stream that a request is for: by a header, or in the URL, since browsers open event streams without headers. */
function tokenOf(req: IncomingMessage): string | null {
  const token = req.headers['x-graphql-event-stream-token'] ?? parameterOf(req, 'token')
  return typeof token === 'string' && token !== '' ? token : null
}

function parameterOf({ url = '' }: IncomingMessage, name: string): string | null {
  const query = url.indexOf('?')
  return query === -1 ? null : new URLSearchParams(url.slice(query)).get(name)
}

function paramsOf(body: string): ReturnType<typeof readParams> {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (error) {
    return body === '' ? 'The request has no body; send JSON with "query".' : `The body is not JSON: ${(error as Error).message}`
  }
  return readParams(value)
}
