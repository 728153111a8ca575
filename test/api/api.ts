import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { execute, type GraphQLError, getOperationAST, parse, subscribe } from 'graphql'
import { type ApiContext, type ApiServices, createContext, SCOPES, type Viewer } from '../../src/api/context.ts'
import { maskError } from '../../src/api/errors.ts'
import { schema } from '../../src/api/schema.ts'
import { validateDocument } from '../../src/api/validation.ts'
import type { UserError } from '../../src/domain/errors.ts'
import type { AttemptKey, BegunAttempt } from '../../src/engine/store/store.ts'
import { createExecutor } from '../../src/server/execution.ts'
import { Hub } from '../../src/stream/hub.ts'
import { createJobStream } from '../../src/stream/jobStream.ts'
import { createLogStream } from '../../src/stream/logStream.ts'
import { createRunStream } from '../../src/stream/runStream.ts'
import type { HandlerDescription } from '../../src/worker/handlers/registry.ts'
import type { TargetRules } from '../../src/worker/targetRules.ts'
import { openParts, type Parts } from '../support/parts.ts'

const executor = createExecutor(schema)

export const OWNER: Viewer = { name: 'ada', scopes: SCOPES }

/** An answer whose data may be looked into without a type for every document. */
export interface Answer {
  // biome-ignore lint/suspicious/noExplicitAny: the shape is the document's, and the assertions say what it must be.
  readonly data: any
  readonly errors: readonly GraphQLError[]
}

export interface Api extends Parts {
  readonly services: ApiServices
  /** Validates and executes an operation, and masks its errors, as the server does. */
  ask(document: string, variables?: Record<string, unknown>, viewer?: Viewer | null): Promise<Answer>
  /** As `ask`, for an operation that must succeed: answers its data. */
  get(document: string, variables?: Record<string, unknown>): Promise<Answer['data']>
  /** As `ask`, for an operation that must answer one top-level error. */
  refusal(document: string, variables?: Record<string, unknown>): Promise<{ readonly code: unknown; readonly message: string }>
  /** The results of a subscription, one a call. */
  subscribe(document: string, variables?: Record<string, unknown>): Promise<AsyncIterator<Answer>>
  context(viewer?: Viewer | null): ApiContext
  /** Begins everything that may start now. */
  begin(): Promise<readonly BegunAttempt[]>
  succeed(key: AttemptKey, output?: unknown): Promise<void>
  fail(key: AttemptKey, retryable?: boolean): Promise<void>
}

const HANDLERS: readonly HandlerDescription[] = [
  { name: 'log', description: 'Writes its payload as log lines.', payloadSchema: null },
  { name: 'strict', description: null, payloadSchema: { type: 'object', required: ['to'] } },
]

/** The API over a real engine on a fresh file; nothing runs by itself. Closed when the test ends. */
export async function openApi(t: TestContext, options: { targetRules?: TargetRules } = {}): Promise<Api> {
  const parts = await openParts(t, options)
  const { engine, clock, commands, entries } = parts
  const log = { error: (fields: object, message: string) => void entries.push({ level: 'error', message, fields }) }
  const hub = new Hub(engine.store, engine.bus, log, 1_000)
  const services: ApiServices = {
    store: engine.store,
    prisma: engine.prisma,
    lists: engine.lists,
    engineKind: engine.kind,
    commands,
    handlers: async () => HANDLERS,
    stream: createRunStream({ store: engine.store, bus: engine.bus, log, hub, now: clock.now }),
    jobStream: createJobStream({ store: engine.store, bus: engine.bus, log, now: clock.now }),
    logStream: createLogStream({ store: engine.store, bus: engine.bus, hub }),
    onRise: () => () => {},
    now: clock.now,
    lease: 30_000,
    version: '1.2.3',
  }
  /** As they were made, whatever a test puts into their place to watch them. */
  const unwatched = { ...services }
  const context = (viewer: Viewer | null = OWNER) => createContext(services, viewer)
  const answerOf = (result: { data?: unknown; errors?: readonly GraphQLError[] }): Answer => ({
    // As it goes over the wire: what cannot be written as JSON shows here.
    data: result.data === undefined ? undefined : JSON.parse(JSON.stringify(result.data)),
    errors: (result.errors ?? []).map((error) => maskError(error, { requestId: 'req', log })),
  })

  const ask: Api['ask'] = async (text, variableValues = {}, viewer = OWNER) => {
    const document = parse(text)
    const errors = validateDocument(schema, document)
    if (errors.length > 0) return { data: undefined, errors }
    const operation = getOperationAST(document)!
    const answer = answerOf(
      await executor({ document, operation, variables: variableValues, rootValue: undefined, context: () => context(viewer) }),
    )
    // graphql-js is the measure of the executor: whatever the tests ask, both answer alike.
    if (operation.operation === 'query')
      assert.deepEqual(
        answer,
        answerOf(await execute({ schema, document, variableValues, contextValue: createContext(unwatched, viewer) })),
      )
    return answer
  }
  const claim = () => ({ instanceId: 'ins_test', now: clock.now(), leaseUntil: clock.now() + 30_000, handlers: null })
  const settle = async (key: AttemptKey, outcome: Parameters<typeof engine.store.settle>[0][number]['outcome']) => {
    await engine.store.settle([{ runId: key.runId, attempt: key.attempt, outcome, now: clock.now(), random: 0.5 }])
  }

  return {
    ...parts,
    services,
    context,
    ask,
    async get(text, variables) {
      const { data, errors } = await ask(text, variables)
      assert.deepEqual(errors, [])
      return data
    },
    async refusal(text, variables) {
      const { errors } = await ask(text, variables)
      assert.equal(errors.length, 1, JSON.stringify(errors))
      return { code: errors[0]!.extensions.code, message: errors[0]!.message }
    },
    async subscribe(text, variableValues = {}) {
      const document = parse(text)
      assert.deepEqual(validateDocument(schema, document), [])
      const source = await subscribe({ schema, document, variableValues, contextValue: context() })
      assert.ok(Symbol.asyncIterator in source, JSON.stringify(source))
      // The place where it starts is being asked for; what a test does next shall come after it. This shares the answer, or has a later one.
      await engine.store.streamHead()
      const results = source[Symbol.asyncIterator]()
      t.after(() => results.return?.())
      return {
        return: async () => {
          await results.return?.()
          return { done: true, value: undefined }
        },
        next: async () => {
          const result = await results.next()
          return result.done === true ? { done: true, value: undefined } : { done: false, value: answerOf(result.value) }
        },
      }
    },
    begin: () => engine.store.beginReady(claim(), 1_000),
    succeed: (key, output = null) => settle(key, { kind: 'SUCCEEDED', output: output === null ? null : JSON.stringify(output) }),
    fail: (key, retryable = true) =>
      settle(key, {
        kind: 'FAILED',
        error: { code: 'BROKEN', message: 'It broke.', stack: null, retryable },
        output: null,
        retryAfter: 1_000,
      }),
  }
}

/** The codes and paths of UserErrors, for comparison. */
export function problems(errors: readonly UserError[]): string[] {
  return errors.map((error) => `${error.code} ${error.path.join('.')}`)
}

export const CREATE = `mutation ($input: CreateJobInput!) {
  createJob(input: $input) { created job { id name version } errors { code message path } }
}`

export const EVERY_MINUTE = { interval: { every: 'PT1M' } }
