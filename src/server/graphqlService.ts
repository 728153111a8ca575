import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { GraphQLSchema } from 'graphql'
import { type ApiServices, createContext } from '../api/context.ts'
import { schema as apiSchema } from '../api/schema.ts'
import type { Config } from '../config.ts'
import type { Bus } from '../engine/bus/bus.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { createEventStreams } from './eventStreams.ts'
import { createGraphqlHandler, type GraphqlHandler } from './graphqlHandler.ts'
import { graphiqlPage, type Page } from './graphiqlPage.ts'
import { createOperations } from './operations.ts'
import { SharedAnswers } from './sharedAnswers.ts'
import { EVERYBODY } from './viewer.ts'
import { createSocketServer } from './websocket.ts'
import { createYogaHandler } from './yogaHandler.ts'

/** The API as the server hands requests to it. Only a process that answers the API loads this file and all that it takes. */
export interface GraphqlService {
  readonly handle: GraphqlHandler
  readonly graphiql: () => Promise<Page>
  /** WebSockets that are open. */
  readonly sockets: number
  /** Takes over a connection that asked for an upgrade and was found to be allowed. */
  accept(req: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Pings sockets, and ends those and the streams that nobody uses. Called once a second. */
  sweep(): void
  /** Asks clients of sockets to go; ends those that have not gone after `grace` milliseconds. */
  close(grace: number): Promise<void>
}

export interface GraphqlServiceDeps {
  readonly config: Pick<Config, 'maxSockets' | 'maxSubscriptions'>
  readonly log: Log
  readonly services: ApiServices
  /** Tells of changes, whichever process made them. */
  readonly bus: Pick<Bus, 'subscribe'>
  readonly metrics: Pick<Metrics, 'add'>
  readonly schema?: GraphQLSchema
  readonly answers?: SharedAnswers
}

export function createGraphqlService({
  config,
  log,
  services,
  bus,
  metrics,
  schema = apiSchema,
  answers = new SharedAnswers(),
}: GraphqlServiceDeps): GraphqlService {
  const { maxSockets, maxSubscriptions } = config
  const forget = () => answers.forget()
  const unsubscribe = [bus.subscribe(forget), services.onRise(forget)]
  addAnswerMetrics(metrics, answers)
  const operations = createOperations({
    schema,
    contextFor: (viewer, mayLag, position) => createContext(services, viewer, mayLag, position),
    position: () => services.stream.position(),
    log,
    changed: forget,
  })
  const yoga = createYogaHandler({ schema, operations, log })
  const sockets = createSocketServer({ operations, viewer: EVERYBODY, maxOperations: maxSubscriptions, log })
  const streams = createEventStreams({ operations, maxStreams: maxSockets, maxOperations: maxSubscriptions })
  return {
    handle: createGraphqlHandler({ operations, yoga, streams, answers }),
    graphiql: graphiqlPage(),
    get sockets() {
      return sockets.size
    },
    accept: (req, socket, head) => sockets.accept(req, socket, head),
    sweep() {
      sockets.sweep()
      streams.sweep()
    },
    async close(grace) {
      for (const end of unsubscribe) end()
      await sockets.close(grace)
    },
  }
}

function addAnswerMetrics(metrics: Pick<Metrics, 'add'>, answers: SharedAnswers): void {
  metrics.add({
    kind: 'counter',
    name: 'orrery_query_answers_total',
    help: 'Queries over HTTP that may be shared: answered by what was made for somebody else (shared), or made for them (made).',
    labels: ['how'],
    read: () => Object.entries(answers.counts).map(([how, value]) => ({ labels: { how }, value })),
  })
  metrics.add({
    kind: 'gauge',
    name: 'orrery_query_answers_characters',
    help: 'Characters of answers that are kept for whoever asks the same.',
    read: () => answers.size,
  })
}
