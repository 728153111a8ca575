import type { IncomingMessage, ServerResponse } from 'node:http'
import { GraphQLError, type GraphQLSchema } from 'graphql'
import { createYoga, type GraphQLParams, type Plugin } from 'graphql-yoga'
import { maskError } from '../api/errors.ts'
import type { Log } from '../log.ts'
import { acceptsEventStream, refusalStatus } from './httpAnswers.ts'
import type { Caller, Operations } from './operations.ts'
import { MAX_BODY } from './requestBody.ts'
import { requestIdOf } from './requestId.ts'

type ServerContext = { readonly caller: Caller; readonly res: ServerResponse }

/** Answers a request whose body, where it has one, was read already. Resolves when the answer is sent, a stream when it has ended. */
export type YogaHandler = (req: IncomingMessage, res: ServerResponse, body: string | null, caller: Caller) => Promise<void>

/**
 * What the fast path does not answer: GET, server-sent events, and everything unusual. Yoga keeps the protocol of GraphQL over HTTP
 * (parameters, media types, statuses, streaming); the operation itself goes the same way as on every other transport.
 */
export function createYogaHandler({
  schema,
  operations,
  log,
}: {
  readonly schema: GraphQLSchema
  readonly operations: Operations
  readonly log: Log
}): YogaHandler {
  const yoga = createYoga<ServerContext>({
    schema,
    plugins: [throughOperations(operations)],
    graphqlEndpoint: '/graphql',
    maxRequestBodySize: MAX_BODY,
    // Done before a request comes here, or not at all: other pages of the server, cross-origin rules, forms, several operations in one.
    graphiql: false,
    landingPage: false,
    cors: false,
    multipart: false,
    batching: false,
    // Documents are kept by `operations`, bounded by what they cost.
    parserAndValidationCache: false,
    // It reports what is masked once more, and what callers do wrong as errors.
    logging: false,
    maskedErrors: {
      maskError: (error) =>
        isProtocolError(error) ? asBadInput(error) : withStatus(maskError(error, { requestId: requestIdOf(undefined), log }), 500),
    },
  })
  return async (req, res, body, caller) => {
    // Where a body was read already, Yoga takes it from here, as it would from Express.
    if (body !== null) Object.assign(req, { body })
    await yoga(req, res, { caller, res })
  }
}

function throughOperations(operations: Operations): Plugin<Record<string, never>, ServerContext> {
  return {
    onRequestParse({ request, setRequestParser }) {
      if (request.method === 'GET') setRequestParser(({ url }) => paramsOf(new URL(url).searchParams))
    },
    onParams({ setParamsHandler }) {
      setParamsHandler(async ({ params, request, context }) => {
        const asked = { ...params, query: params.query ?? '' }
        const prepared = operations.prepare(asked, context.caller)
        if ('refused' in prepared) return { errors: prepared.refused.map((error) => withStatus(error, 400, true)) }
        if (request.method === 'GET' && prepared.operation.operation === 'mutation') {
          return { errors: [badRequest('A mutation changes something: send it with POST.', 405, { Allow: 'POST' })] }
        }
        const answer = await operations.run(prepared, asked, context.caller)
        if (answer.kind === 'refused') {
          const status = refusalStatus(answer.errors, 'application/graphql-response+json')
          return { errors: answer.errors.map((error) => withStatus(error, status, status === 400)) }
        }
        if (answer.kind === 'result') return answer.result
        // Yoga would answer a client that takes anything with multipart/mixed, which hardly any can read.
        if (acceptsEventStream(request.headers.get('accept') ?? undefined)) request.headers.set('accept', 'text/event-stream')
        // Some proxies collect what they pass on unless told otherwise.
        context.res.setHeader('x-accel-buffering', 'no')
        return untilError(answer.stream)
      })
    },
  }
}

/** Over SSE an error of the stream itself is its last event. */
function untilError(stream: AsyncIterableIterator<object>): AsyncIterableIterator<object> {
  let failed = false
  return {
    async next() {
      if (failed) return { done: true, value: undefined }
      try {
        return await stream.next()
      } catch (error) {
        failed = true
        return { done: false, value: { errors: [error] } }
      }
    },
    async return() {
      await stream.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

function paramsOf(search: URLSearchParams): GraphQLParams {
  const query = search.get('query')
  const operationName = search.get('operationName')
  return {
    ...(query === null ? {} : { query }),
    ...(operationName ? { operationName } : {}),
    ...jsonOf(search, 'variables'),
    ...jsonOf(search, 'extensions'),
  }
}

function jsonOf(search: URLSearchParams, name: string): Record<string, Record<string, unknown>> {
  const text = search.get(name)
  if (text === null || text === '') return {}
  try {
    return { [name]: JSON.parse(text) }
  } catch {
    throw badRequest(`The parameter "${name}" is not JSON.`, 400)
  }
}

function badRequest(message: string, status: number, headers?: Record<string, string>): GraphQLError {
  return new GraphQLError(message, {
    extensions: { code: 'BAD_USER_INPUT', http: { status, ...(headers === undefined ? {} : { headers }) } },
  })
}

/** Says under which status an error is sent; `spec`: only where the client asked for application/graphql-response+json. */
function withStatus(error: GraphQLError, status: number, spec = false): GraphQLError {
  const { message, nodes, source, positions, path, extensions } = error
  return new GraphQLError(message, {
    nodes: nodes ?? null,
    source: source ?? null,
    positions: positions ?? null,
    path: path ?? null,
    extensions: { ...extensions, http: { status, spec } },
  })
}

/** An error that Yoga makes of a request it cannot read: it carries its status. */
function isProtocolError(error: unknown): error is GraphQLError {
  return error instanceof GraphQLError && error.originalError === undefined && error.extensions.http !== undefined
}

/** Yoga's codes are not ours, and what cannot be read is no well-formed request under any media type. */
function asBadInput(error: GraphQLError): GraphQLError {
  const { code, http } = error.extensions
  const ours = code === 'BAD_REQUEST' ? 'BAD_USER_INPUT' : code === 'REQUEST_ENTITY_TOO_LARGE' ? 'TOO_LARGE' : code
  return new GraphQLError(error.message, {
    extensions: { code: ours as string, ...(http === undefined ? {} : { http: { ...http, spec: false } }) },
  })
}
