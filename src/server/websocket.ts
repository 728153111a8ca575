import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ExecutionArgs, ExecutionResult, GraphQLError } from 'graphql'
import { CloseCode, type Context, handleProtocols, makeServer } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Viewer } from '../api/context.ts'
import { apiError, formatError, formatResult } from '../api/errors.ts'
import type { Log } from '../log.ts'
import type { OperationParams } from './documents.ts'
import type { Operations } from './operations.ts'
import { MAX_BODY } from './requestBody.ts'
import { SocketLine } from './socketLine.ts'
import { mayBeLarge, writtenInSlices } from './writtenOut.ts'

/** The WebSockets of the server, with the protocol graphql-transport-ws. */
export interface SocketServer {
  readonly size: number
  /** Takes over a connection that asked for an upgrade and was found to be allowed. */
  accept(req: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Pings a part of the sockets, and ends those that have been silent. Called once a second. */
  sweep(): void
  /** Asks all clients to go and come back later; ends those that have not gone after `grace` milliseconds. */
  close(grace: number): Promise<void>
}

export interface SocketServerDeps {
  readonly operations: Operations
  readonly viewer: Viewer
  /** Operations of one socket at once. */
  readonly maxOperations: number
  readonly log: Log
}

/** What graphql-ws carries along for one socket. */
interface Extra {
  readonly id: string
  readonly line: SocketLine
  /** Operations being worked on, also those whose client has already said that it is no longer interested. */
  running: number
  operations: number
  /** Ids of operations that graphql-ws is not done with, whatever their client has said since. */
  readonly busy: Set<string>
  /** That of the operation which the message being handled has begun. */
  begun: string | null
}

type Ctx = Context<Record<string, unknown> | undefined, Extra>

/** Each socket is pinged once in so many sweeps, and is taken for dead after three pings without a sign of life. */
const SWEEPS_A_ROUND = 20
const SILENT_ROUNDS = 3
/** 1001 Going Away: clients of graphql-ws come back after it. 1011 and 44xx would be final to them. */
const GOING_AWAY = 1001

interface Tracked {
  readonly bucket: number
  silentRounds: number
}

export function createSocketServer({ operations, viewer, maxOperations, log }: SocketServerDeps): SocketServer {
  const wss = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    handleProtocols,
    // Up to here a message that is too large is answered as an error of its operation; beyond, the connection is closed.
    maxPayload: 4 * MAX_BODY,
  })
  const sockets = new Map<WebSocket, Tracked>()
  let sweeps = 0
  let next = 0

  const protocol = makeServer<Record<string, unknown> | undefined, Extra>({
    connectionInitWaitTimeout: 10_000,
    onSubscribe: subscribe,
    // Both only hand out what `subscribe` made.
    execute: prepared,
    subscribe: prepared,
    onNext: (_ctx, _id, _payload, _args, result) => formatResult(result),
    onError: (_ctx, _id, _payload, errors) => errors.map((error) => formatError(error as GraphQLError)),
  })

  /**
   * An operation of a socket. Whatever is wrong with it is answered as its own error: an error thrown here would close the socket with
   * all the other subscriptions on it, and clients would not come back.
   */
  async function subscribe(ctx: Ctx, id: string, params: OperationParams): Promise<readonly GraphQLError[] | Prepared> {
    const { extra } = ctx
    // graphql-ws knows operations by their ids alone: it would send the results of the older under the id of the newer, and forget the newer,
    // which nobody could end then.
    if (extra.busy.has(id)) {
      return [
        apiError('BAD_USER_INPUT', `The operation ${JSON.stringify(id.slice(0, 100))} is still under way; give each an id of its own.`),
      ]
    }
    extra.busy.add(id)
    extra.begun = id
    if (Math.max(Object.keys(ctx.subscriptions).length, extra.running + 1) > maxOperations) {
      return [
        apiError(
          'TOO_MANY_SUBSCRIPTIONS',
          `This socket has ${maxOperations} operations under way; no more are taken. End some, or open another socket.`,
        ),
      ]
    }
    extra.running++
    let streaming = false
    try {
      const caller = { viewer, requestId: `${extra.id}/${++extra.operations}` }
      const known = operations.prepare(params, caller)
      if ('refused' in known) return known.refused
      const answer = await operations.run(known, params, caller, () => extra.line.sinkOf(id))
      if (answer.kind === 'refused') return answer.errors
      streaming = answer.kind === 'stream'
      const result =
        answer.kind === 'stream' ? whenEnded(answer.stream, () => extra.running--) : told(extra.line, id, answer.result, known.cost)
      return {
        schema: NO_SCHEMA,
        document: known.document,
        operationName: known.operation.name?.value ?? null,
        contextValue: null,
        [RESULT]: result,
      }
    } finally {
      if (!streaming) extra.running--
    }
  }

  function open(socket: WebSocket, connection: Duplex): void {
    const tracked: Tracked = { bucket: next++ % SWEEPS_A_ROUND, silentRounds: 0 }
    sockets.set(socket, tracked)
    const line = new SocketLine(socket, connection)
    const extra: Extra = { id: randomUUID(), line, running: 0, operations: 0, busy: new Set(), begun: null }
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (data) => line.send(data),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) => {
          socket.on('message', (data: Buffer) => {
            tracked.silentRounds = 0
            if (data.length > MAX_BODY) refuseLarge(socket, line, data)
            else void handled(handle, data.toString('utf8'))
          })
        },
      },
      extra,
    )
    /** Never rejects. */
    async function handled(handle: (message: string) => Promise<void>, message: string): Promise<void> {
      extra.begun = null
      const done = handle(message)
      // An operation has begun before anything was waited for.
      const { begun } = extra
      await done.catch((error: unknown) => failed(socket, error))
      if (begun !== null) extra.busy.delete(begun)
    }
    socket.on('pong', () => {
      tracked.silentRounds = 0
    })
    // A frame that breaks the protocol, a reset: 'close' follows.
    socket.on('error', (error) => log.debug({ err: error }, 'a WebSocket failed'))
    socket.once('close', (code, reason) => {
      sockets.delete(socket)
      Promise.resolve(closed(code, reason.toString('utf8'))).catch((error: unknown) =>
        log.error({ err: error }, 'a WebSocket was not cleaned up'),
      )
    })
  }

  function failed(socket: WebSocket, error: unknown): void {
    if (socket.readyState !== socket.OPEN) return
    // A message that only servers send: graphql-ws has no close of its own for it.
    if (error instanceof Error && error.message.startsWith('Unexpected message of type')) {
      socket.close(CloseCode.BadRequest, 'Unexpected message')
      return
    }
    log.error({ err: error }, 'a message of a WebSocket could not be handled')
    // Without a closing code: a client takes it for a broken line and comes back.
    socket.terminate()
  }

  return {
    get size() {
      return sockets.size
    },
    accept(req, socket, head) {
      wss.handleUpgrade(req, socket, head, (opened) => open(opened, socket))
    },
    sweep() {
      const bucket = sweeps++ % SWEEPS_A_ROUND
      for (const [socket, tracked] of sockets) {
        if (tracked.bucket !== bucket) continue
        if (tracked.silentRounds++ >= SILENT_ROUNDS) socket.terminate()
        else if (socket.readyState === socket.OPEN) socket.ping()
      }
    },
    async close(grace) {
      const open = [...sockets.keys()]
      const gone = Promise.all(open.map((socket) => new Promise((resolve) => socket.once('close', resolve))))
      for (const socket of open) {
        // One that is not read from would not notice that its client goes.
        socket.resume()
        socket.close(GOING_AWAY, 'The server is stopping')
      }
      const timer = setTimeout(() => {
        for (const socket of sockets.keys()) socket.terminate()
      }, grace)
      await gone
      clearTimeout(timer)
    },
  }
}

const RESULT = Symbol('result')
type Result = ExecutionResult | AsyncIterableIterator<ExecutionResult>
type Prepared = ExecutionArgs & { readonly [RESULT]: Result }

// graphql-ws wants execution arguments; what they would lead to is made already.
const NO_SCHEMA = null as unknown as ExecutionArgs['schema']

function prepared(args: ExecutionArgs): Result {
  return (args as Prepared)[RESULT]
}

/**
 * A result as graphql-ws is handed it. It writes out what it is given in one piece, so a large one is written by us: then it is handed a
 * stream that yields nothing, behind which it says that the operation is complete.
 */
function told(line: SocketLine, id: string, result: ExecutionResult, cost: number): Result {
  if (!mayBeLarge(cost)) return result
  let left = false
  const stream: AsyncIterableIterator<ExecutionResult> = {
    async next() {
      const text = await writtenInSlices(formatResult(result))
      if (!left) await line.send(`{"id":${JSON.stringify(id)},"type":"next","payload":${text}}`)
      return { done: true, value: undefined }
    },
    async return() {
      left = true
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
  return stream
}

/** Answers a message that is too large as an error of its operation, whose id stands at its beginning; without one it is 1009. */
function refuseLarge(socket: WebSocket, line: SocketLine, data: Buffer): void {
  const id = /^\s*\{\s*"id"\s*:\s*("(?:[^"\\]|\\.){1,200}")/.exec(data.toString('utf8', 0, 1_000))?.[1]
  if (id === undefined) {
    socket.close(1009, `A message may have ${MAX_BODY} bytes`)
    return
  }
  const error = formatError(apiError('TOO_LARGE', `The message has ${data.length} bytes; ${MAX_BODY} are accepted.`))
  void line.send(`{"id":${id},"type":"error","payload":${JSON.stringify([error])}}`).catch(() => {})
}

function whenEnded<T>(stream: AsyncIterableIterator<T>, ended: () => void): AsyncIterableIterator<T> {
  let open = true
  const end = (): void => {
    if (open) ended()
    open = false
  }
  return {
    async next() {
      try {
        const result = await stream.next()
        if (result.done === true) end()
        return result
      } catch (error) {
        end()
        throw error
      }
    },
    async return() {
      end()
      await stream.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
