import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { GraphQLSchema } from 'graphql'
import { type ApiServices, createContext } from '../api/context.ts'
import { schema as apiSchema } from '../api/schema.ts'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import { createEventStreams } from './eventStreams.ts'
import { createGraphqlHandler, type GraphqlHandler } from './graphqlHandler.ts'
import { graphiqlPage, type Page } from './graphiqlPage.ts'
import { createOperations } from './operations.ts'
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
  readonly schema?: GraphQLSchema
}

export function createGraphqlService({ config, log, services, schema = apiSchema }: GraphqlServiceDeps): GraphqlService {
  const { maxSockets, maxSubscriptions } = config
  const operations = createOperations({ schema, contextFor: (viewer, mayLag) => createContext(services, viewer, mayLag), log })
  const yoga = createYogaHandler({ schema, operations, log })
  const sockets = createSocketServer({ operations, viewer: EVERYBODY, maxOperations: maxSubscriptions, log })
  const streams = createEventStreams({ operations, maxStreams: maxSockets, maxOperations: maxSubscriptions })
  return {
    handle: createGraphqlHandler({ operations, yoga, streams }),
    graphiql: graphiqlPage(),
    get sockets() {
      return sockets.size
    },
    accept: (req, socket, head) => sockets.accept(req, socket, head),
    sweep() {
      sockets.sweep()
      streams.sweep()
    },
    close: (grace) => sockets.close(grace),
  }
}
