import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { ExecutionResult, GraphQLError } from 'graphql'
import { formatResult } from '../api/errors.ts'
import type { OperationParams } from './documents.ts'
import { GRAPHQL_TYPE, refusalStatus, sendError, sendErrors } from './httpAnswers.ts'
import type { Caller, Operations } from './operations.ts'
import { mayBeLarge, writtenInSlices } from './writtenOut.ts'

/**
 * GraphQL over server-sent events in single connection mode (the protocol of graphql-sse): a client reserves a stream and gets its
 * token, opens it, and sends operations in requests of their own, whose results all come in that one stream. A browser has six
 * connections to a server; this mode takes one of them, however many subscriptions there are.
 */
export interface EventStreams {
  readonly size: number
  /** PUT: answers the token of a new stream. */
  reserve(res: ServerResponse): void
  /** GET: this response is the stream, from now on until either side goes. */
  open(res: ServerResponse, token: string): void
  /** POST: accepts an operation, whose results come in the stream, or refuses it in the answer. */
  operate(res: ServerResponse, token: string, params: OperationParams, caller: Caller): void
  /** DELETE: ends an operation. */
  complete(res: ServerResponse, token: string, operationId: string | null): void
  /** Forgets reservations that nobody took up; keeps open streams awake. Called once a second. */
  sweep(): void
}

export interface EventStreamsDeps {
  readonly operations: Operations
  readonly maxStreams: number
  /** Operations of one stream at once. */
  readonly maxOperations: number
}

/** For how many sweeps a reservation waits for its stream. */
const RESERVED_SWEEPS = 10
/** A stream hears something once in so many sweeps: proxies cut connections that are silent, and so a dead one is found. */
const PING_SWEEPS = 12
const MAX_ID = 200

export function createEventStreams({ operations, maxStreams, maxOperations }: EventStreamsDeps): EventStreams {
  const streams = new Map<string, EventStream>()

  /** The stream of a token, or the answer that there is none. */
  function find(res: ServerResponse, token: string): EventStream | null {
    const stream = streams.get(token)
    if (stream === undefined) {
      sendError(
        res,
        404,
        'NOT_FOUND',
        'No stream has this token: it was never given, was not taken up in time, or its stream has ended. PUT gives one.',
      )
    }
    return stream ?? null
  }

  function refusal(
    stream: EventStream,
    id: unknown,
  ): [status: number, code: 'BAD_USER_INPUT' | 'TOO_MANY_SUBSCRIPTIONS', message: string] | null {
    if (typeof id !== 'string' || id === '' || id.length > MAX_ID)
      return [400, 'BAD_USER_INPUT', `"extensions.operationId" must be a text of 1 to ${MAX_ID} characters: results are told apart by it.`]
    if (stream.has(id)) return [409, 'BAD_USER_INPUT', `An operation ${JSON.stringify(id)} is under way in this stream.`]
    return stream.running < maxOperations
      ? null
      : [429, 'TOO_MANY_SUBSCRIPTIONS', `This stream has ${maxOperations} operations under way; no more are taken. End some.`]
  }

  return {
    get size() {
      return streams.size
    },
    reserve(res) {
      if (streams.size >= maxStreams) {
        sendError(res, 503, 'UNAVAILABLE', `The server has ${maxStreams} event streams; no more are taken.`)
        return
      }
      const token = randomUUID()
      streams.set(token, new EventStream())
      res.writeHead(201, { 'content-type': 'text/plain; charset=utf-8', 'content-length': token.length }).end(token)
    },
    open(res, token) {
      const stream = find(res, token)
      if (stream === null) return
      if (!stream.open(res)) sendError(res, 409, 'BAD_USER_INPUT', 'The stream of this token is open already.')
      else res.once('close', () => streams.delete(token))
    },
    operate(res, token, params, caller) {
      const stream = find(res, token)
      if (stream === null) return
      const id = params.extensions?.operationId
      const refused = refusal(stream, id)
      if (refused !== null) return sendError(res, ...refused)
      const prepared = operations.prepare(params, caller)
      if ('refused' in prepared) {
        sendErrors(res, refusalStatus(prepared.refused, GRAPHQL_TYPE), GRAPHQL_TYPE, prepared.refused)
        return
      }
      res.writeHead(202).end()
      void stream.carry(id as string, prepared.cost, () => operations.run(prepared, params, caller))
    },
    complete(res, token, operationId) {
      const stream = find(res, token)
      if (stream === null) return
      if (operationId === null)
        return sendError(res, 400, 'BAD_USER_INPUT', 'Say by the parameter "operationId" which operation is to end.')
      stream.complete(operationId)
      res.writeHead(200).end()
    },
    sweep() {
      for (const [token, stream] of streams) {
        if (stream.sweep()) continue
        stream.end()
        streams.delete(token)
      }
    },
  }
}

type Answered = Awaited<ReturnType<Operations['run']>>

/** An operation of a stream: what ends it, once it is known to be a stream itself. */
interface Carried {
  /** Of one result. */
  readonly cost: number
  source: AsyncIterator<unknown> | null
  ended: boolean
}

class EventStream {
  readonly #operations = new Map<string, Carried>()
  readonly #opened = Promise.withResolvers<void>()
  #res: ServerResponse | null = null
  #ended = false
  /** What all writers wait for while the client does not read. */
  #drained: Promise<void> | null = null
  #release: (() => void) | null = null
  #sweeps = 0
  /** Operations being worked on, also those whose client has said that it is no longer interested. */
  running = 0

  has(id: string): boolean {
    return this.#operations.has(id)
  }

  /** False: it is open already. */
  open(res: ServerResponse): boolean {
    if (this.#res !== null) return false
    this.#res = res
    res.once('close', () => this.end())
    res.on('drain', () => this.#readOn())
    res.setHeader('content-type', 'text/event-stream; charset=utf-8')
    // Some proxies collect what they pass on unless told otherwise.
    res.setHeader('x-accel-buffering', 'no')
    res.writeHead(200).write(':\n\n')
    this.#opened.resolve()
    return true
  }

  /** Runs an operation and sends what comes of it. Never rejects. */
  async carry(id: string, cost: number, run: () => Promise<Answered>): Promise<void> {
    const carried: Carried = { cost, source: null, ended: false }
    this.#operations.set(id, carried)
    this.running++
    try {
      const answer = await run()
      if (answer.kind === 'stream') await this.#follow(id, carried, answer.stream)
      else await this.#send(id, carried, answer.kind === 'result' ? answer.result : { errors: answer.errors })
    } catch (error) {
      // A stream of results fails with what a client may see.
      await this.#send(id, carried, { errors: [error as GraphQLError] })
    }
    if (!carried.ended) this.#operations.delete(id)
    this.running--
    await this.#write(carried, `event: complete\ndata: ${JSON.stringify({ id })}\n\n`)
  }

  async #follow(id: string, carried: Carried, stream: AsyncIterableIterator<ExecutionResult>): Promise<void> {
    carried.source = stream
    // The next result is asked for when the one before has been taken: a client that does not read holds one.
    while (!carried.ended) {
      const { done, value } = await stream.next()
      if (done === true) return
      await this.#send(id, carried, value)
    }
    await stream.return?.()
  }

  async #send(id: string, carried: Carried, result: ExecutionResult): Promise<void> {
    const payload = formatResult(result)
    const text = mayBeLarge(carried.cost) ? await writtenInSlices(payload) : JSON.stringify(payload)
    await this.#write(carried, `event: next\ndata: {"id":${JSON.stringify(id)},"payload":${text}}\n\n`)
  }

  /** Resolves when the network has taken it, or when nobody waits for it any more. */
  async #write(carried: Carried, text: string): Promise<void> {
    await this.#opened.promise
    while (this.#drained !== null) await this.#drained
    if (carried.ended || this.#ended || this.#res === null) return
    if (this.#res.write(text)) return
    const drained = Promise.withResolvers<void>()
    this.#drained = drained.promise
    this.#release = drained.resolve
    await this.#drained
  }

  #readOn(): void {
    this.#drained = null
    this.#release?.()
  }

  complete(id: string): void {
    const carried = this.#operations.get(id)
    if (carried === undefined) return
    this.#operations.delete(id)
    carried.ended = true
    void Promise.resolve(carried.source?.return?.()).catch(() => {})
  }

  /** Whether it is to be kept. */
  sweep(): boolean {
    this.#sweeps++
    if (this.#res === null) return this.#sweeps <= RESERVED_SWEEPS
    if (this.#sweeps % PING_SWEEPS === 0 && !this.#res.writableNeedDrain) this.#res.write(':\n\n')
    return true
  }

  /** Ends all its operations; nothing is sent any more. */
  end(): void {
    this.#ended = true
    for (const id of [...this.#operations.keys()]) this.complete(id)
    this.#opened.resolve()
    this.#readOn()
  }
}
