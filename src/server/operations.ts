import { createSourceEventStream, type ExecutionResult, type GraphQLError, type GraphQLSchema } from 'graphql'
import type { Viewer } from '../api/context.ts'
import { type ErrorLog, formatResult, maskError } from '../api/errors.ts'
import type { Sink } from '../stream/group.ts'
import { Groups } from '../stream/groups.ts'
import { isLive, LIVE } from '../stream/liveSource.ts'
import { createDocuments, type OperationParams, type Prepared } from './documents.ts'
import { equalityKey } from './equalSubscriptions.ts'
import { createExecutor } from './execution.ts'
import { asksForPosition, mayLag } from './sharing.ts'

/** Who asks, and the id under which the log and masked errors speak of it. */
export interface Caller {
  readonly viewer: Viewer | null
  readonly requestId: string
}

/** What is wrong before anything was executed; a result; or a stream of results. */
export type Answer =
  | { readonly kind: 'refused'; readonly errors: readonly GraphQLError[] }
  | { readonly kind: 'result'; readonly result: ExecutionResult }
  | { readonly kind: 'stream'; readonly stream: AsyncIterableIterator<ExecutionResult> }

/**
 * The one way of an operation through the server, whatever brought it: the fast path, Yoga or a WebSocket.
 * parse, validate and measure (once a text) → authorise (the schema's root fields, by the context's viewer) → execute → mask errors.
 */
export interface Operations {
  /** Never throws. */
  prepare(params: OperationParams, caller: Caller): Prepared | { readonly refused: readonly GraphQLError[] }
  /**
   * Never rejects. A stream never rejects with an error that is not masked.
   * With `sinkOf`, a subscription that can be told together with equal ones is: its results go to the sink as they are sent (JSON), and
   * its stream yields nothing, but lives and fails as the subscription does.
   */
  run(prepared: Prepared, params: OperationParams, caller: Caller, sinkOf?: () => Sink): Promise<Answer>
  /** Ends the subscriptions of a viewer whose rights have changed, as far as they are told together. */
  endSubscriptionsOf(viewer: string, error: GraphQLError): void
}

export interface OperationsDeps {
  readonly schema: GraphQLSchema
  /** What resolvers get: made anew for every operation and every event of a subscription, so that nothing in it grows old. */
  readonly contextFor: (viewer: Viewer | null, mayLag: boolean, position: Promise<string> | null) => unknown
  /** The newest position of the stream. */
  readonly position?: () => Promise<string>
  readonly log: ErrorLog
  /** Called when a mutation has been executed, before it is answered: what was read before it is not to be shown again. */
  readonly changed?: () => void
}

export function createOperations({ schema, contextFor, position, log, changed = () => {} }: OperationsDeps): Operations {
  const documents = createDocuments(schema)
  const execute = createExecutor(schema)
  const groups = new Groups()

  async function run(prepared: Prepared, params: OperationParams, caller: Caller, sinkOf?: () => Sink): Promise<Answer> {
    const masking = { requestId: caller.requestId, log }
    const { document, operation, cost } = prepared
    const extensions = { cost }
    const variables = params.variables ?? {}
    const lagging = mayLag(document, operation)
    // Before all else that is read: whoever subscribes from there must have been shown what stands before it.
    const from = operation.operation === 'query' && asksForPosition(document) ? position?.() : undefined
    await from?.catch(() => {})
    const context = () => contextFor(caller.viewer, lagging, from ?? null)
    const executed = async (rootValue?: unknown): Promise<ExecutionResult> => {
      const result = await execute({ document, operation, variables, rootValue, context })
      if (result.errors === undefined) return { data: result.data ?? null, extensions }
      return { ...result, errors: result.errors.map((error) => maskError(error, masking)), extensions }
    }
    try {
      if (operation.operation === 'query') return asAnswer(await executed())
      if (operation.operation === 'mutation') return asAnswer(await executed().finally(changed))
      const source = await createSourceEventStream({
        schema,
        document,
        operationName: operation.name?.value,
        variableValues: variables,
        contextValue: context(),
      })
      if (!isAsyncIterable(source)) return { kind: 'refused', errors: (source.errors ?? []).map((error) => maskError(error, masking)) }
      const failure = (error: unknown) => maskError(error, masking)
      if (sinkOf === undefined || !isLive(source)) return { kind: 'stream', stream: mapStream(source, executed, failure) }
      const live = source[LIVE]
      const render = async (event: unknown) => Buffer.from(JSON.stringify(formatResult(await executed(event))))
      const key = equalityKey(prepared, params, caller.viewer, live.startArgument)
      return { kind: 'stream', stream: groups.join({ key, owner: caller.viewer?.name ?? null, live, sink: sinkOf(), render, failure }) }
    } catch (error) {
      return { kind: 'refused', errors: [maskError(error, masking)] }
    }
  }

  function prepare(params: OperationParams, { requestId }: Caller): Prepared | { readonly refused: readonly GraphQLError[] } {
    try {
      return documents.prepare(params)
    } catch (error) {
      return { refused: [maskError(error, { requestId, log })] }
    }
  }

  return { prepare, run, endSubscriptionsOf: (viewer, error) => groups.endOf(viewer, error) }
}

/** Without `data`, nothing was executed: a variable that its type cannot read. */
function asAnswer(result: ExecutionResult): Answer {
  return 'data' in result || result.errors === undefined ? { kind: 'result', result } : { kind: 'refused', errors: result.errors }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

/** Written by hand: `return()` must reach the source also before the first `next()`, and at once, while a `next()` waits. */
function mapStream(
  source: AsyncIterable<unknown>,
  executed: (event: unknown) => Promise<ExecutionResult>,
  masked: (error: unknown) => GraphQLError,
): AsyncIterableIterator<ExecutionResult> {
  const events = source[Symbol.asyncIterator]()
  return {
    async next() {
      try {
        const event = await events.next()
        return event.done === true ? { done: true, value: undefined } : { done: false, value: await executed(event.value) }
      } catch (error) {
        // What failed already may fail to close too; the first failure is the one to tell.
        await Promise.resolve(events.return?.()).catch(() => {})
        throw masked(error)
      }
    },
    async return() {
      await events.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
