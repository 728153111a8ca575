import { Writable } from 'node:stream'
import { GraphQLError, GraphQLFloat, GraphQLInt, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql'
import type { ApiContext, ApiServices } from '../../src/api/context.ts'
import type { Config } from '../../src/config.ts'
import type { Bus } from '../../src/engine/bus/bus.ts'
import { localBus } from '../../src/engine/bus/localBus.ts'
import { createLog, type Log } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createGraphqlService, type GraphqlServiceDeps } from '../../src/server/graphqlService.ts'
import { createServer, type Server, type ServerDeps } from '../../src/server/server.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { createRunStream, type RunEvent, type RunStream } from '../../src/stream/runStream.ts'
import { watchHead } from '../../src/stream/watchedHead.ts'
import { ChangeStore, EVERYTHING } from '../stream/changeStore.ts'

const string = { type: GraphQLString }
const must = <T extends typeof GraphQLInt | typeof GraphQLString>(type: T): { type: GraphQLNonNull<T> } => ({
  type: new GraphQLNonNull(type),
})

/** Iterators of `ticks` that are open. */
export const openTicks = { count: 0 }

const event = new GraphQLObjectType<RunEvent>({
  name: 'Event',
  fields: {
    cursor: string,
    run: { ...string, resolve: ({ run }) => run?.id },
    status: { ...string, resolve: ({ run }) => run?.status },
    payload: { ...string, resolve: ({ run }) => run?.payload },
  },
})

/** A schema with one field for each thing a transport can be asked to carry. */
export const testSchema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: 'Query',
    fields: {
      hello: { ...string, args: { name: string }, resolve: (_root, { name }) => `hello ${name ?? 'world'}` },
      twice: { type: GraphQLInt, args: { of: must(GraphQLInt) }, resolve: (_root, { of }) => of * 2 },
      viewer: { ...string, resolve: (_root, _args, { viewer }: ApiContext) => viewer?.name },
      text: { ...string, args: { length: must(GraphQLInt) }, resolve: (_root, { length }) => 'x'.repeat(length) },
      bug: {
        ...string,
        resolve: () => {
          throw new Error('secret detail')
        },
      },
      refusal: {
        ...string,
        resolve: () => {
          throw new GraphQLError('not this one', { extensions: { code: 'NOT_FOUND', http: { status: 418 } } })
        },
      },
      slow: { ...string, resolve: () => new Promise((resolve) => setTimeout(resolve, 300, 'done')) },
      random: { type: GraphQLFloat, args: { of: { type: GraphQLInt } }, resolve: () => Math.random() },
      now: { type: GraphQLFloat, resolve: () => Math.random() },
      streamPosition: { ...string, resolve: (_root, _args, { position }: ApiContext) => position },
    },
  }),
  mutation: new GraphQLObjectType({ name: 'Mutation', fields: { bump: { type: GraphQLInt, resolve: () => 1 } } }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      runs: {
        type: event,
        args: { after: string },
        subscribe: (_root, { after }, { stream }: ApiContext) => stream.jobRuns({ ...EVERYTHING, after: after ?? null, checkpoints: true }),
        resolve: (source) => source,
      },
      ticks: { type: GraphQLInt, args: { to: must(GraphQLInt) }, subscribe: (_root, { to }) => ticks(to), resolve: (source) => source },
      breaks: { type: GraphQLInt, subscribe: () => ticks(1, new Error('secret detail')), resolve: (source) => source },
      refused: {
        type: GraphQLInt,
        subscribe: () => {
          throw new Error('secret detail')
        },
      },
    },
  }),
})

/** Counts to `to`, then ends, or fails; `to` 0 waits for ever. */
function ticks(to: number, failure?: Error): AsyncIterableIterator<number> {
  let at = 0
  let end: (() => void) | null = null
  openTicks.count++
  const close = (): void => {
    if (end === null) openTicks.count--
    end?.()
    end = () => {}
  }
  return {
    async next() {
      if (to === 0)
        await new Promise<void>((resolve) => {
          end = () => {
            openTicks.count--
            resolve()
          }
        })
      else if (at < to) return { done: false, value: ++at }
      if (to !== 0) close()
      if (failure) throw failure
      return { done: true, value: undefined }
    },
    async return() {
      close()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

export interface TestServer extends AsyncDisposable {
  readonly server: Server
  readonly url: string
  readonly port: number
  readonly store: ChangeStore
  readonly stream: RunStream
  readonly bus: Bus
  /** Lines that were logged, at error and above. */
  readonly logged: string[]
  /** Ends the starting. */
  serve(): void
}

export async function startTestServer(
  given: Partial<Config> = {},
  {
    schema = testSchema,
    starting = false,
    answers,
    ...deps
  }: Partial<ServerDeps & Pick<GraphqlServiceDeps, 'schema' | 'answers'> & { readonly starting: boolean }> = {},
): Promise<TestServer> {
  const store = new ChangeStore()
  const watched = watchHead(portOf(store))
  const stream = createRunStream({ store: watched.store, bus: store.bus, log: { error: () => {} }, pollInterval: 60_000 })
  const logged: string[] = []
  const log: Log = createLog(
    { logLevel: 'error', logFormat: 'json' },
    new Writable({
      write: (line, _encoding, done) => {
        logged.push(String(line))
        done()
      },
    }),
  )
  const config = {
    host: '127.0.0.1',
    port: 0,
    roles: ['api', 'scheduler', 'worker'] as const,
    corsOrigins: [],
    maxSockets: 2_000,
    maxSubscriptions: 10,
    ...given,
  }
  const bus = localBus(log)
  const metrics = createMetrics()
  const server = createServer({
    config,
    log,
    readiness: async () => ({ database: 'ok' }),
    metrics,
    grace: 500,
    ...deps,
  })
  const services = { stream, store, onRise: watched.onRise, now: Date.now } as unknown as ApiServices
  const serve = (): void => server.serve(createGraphqlService({ config, log, services, bus, metrics, schema, ...(answers && { answers }) }))
  if (config.roles.includes('api') && !starting) serve()
  await server.start()
  return {
    server,
    url: server.url,
    port: Number(new URL(server.url).port),
    store,
    stream,
    bus,
    logged,
    serve,
    [Symbol.asyncDispose]: () => server.stop(),
  }
}

/** The store as its port has it: an object of functions. */
function portOf(store: ChangeStore): Store {
  const port: Partial<Store> = {
    databaseId: store.databaseId,
    streamHead: () => store.streamHead(),
    streamGiven: () => store.streamGiven(),
    streamFloor: () => store.streamFloor(),
    runChanges: (query) => store.runChanges(query),
    jobRows: (ids) => store.jobRows(ids),
  }
  return port as Store
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server answers; the tests look at it.
  readonly body: any
}

/** A POST to /graphql, its answer read as JSON. */
export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  return reply(
    await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  )
}

export async function reply(response: Response): Promise<Reply> {
  const text = await response.text()
  const json = response.headers.get('content-type')?.includes('json') === true
  return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text }
}
