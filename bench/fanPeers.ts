// Two servers to measure beside the product: `ws` sends one prepared message to every socket, `yoga` is graphql-ws with Yoga's own
// publish and subscribe as their documentation shows it. Both publish when their parent says so.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { execute, subscribe } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { createPubSub, createSchema, createYoga } from 'graphql-yoga'
import { WebSocketServer } from 'ws'

/** What their subscribers ask; about as long as the product's event. */
export const PEER_QUERY = 'subscription { run { id jobId status at note } }'

export interface PeerReady {
  readonly kind: 'ready'
  readonly port: number
}

/** `at`: milliseconds since 1970, just before. */
export interface PeerPublished {
  readonly kind: 'published'
  readonly at: number
}

if (process.argv[2] !== undefined && process.send !== undefined) serve(process.argv[2])

function serve(kind: string): void {
  const server = createServer()
  const publish = kind === 'ws' ? bareWs(server) : yogaPubSub(server)
  process.on('message', () => {
    const at = performance.timeOrigin + performance.now()
    publish({ id: 'run_019ab1c2d3e4f5', jobId: 'job_019ab1c2d3e4f5', status: 'SUCCEEDED', at, note: 'x'.repeat(200) })
    process.send?.({ kind: 'published', at } satisfies PeerPublished)
  })
  process.once('disconnect', () => process.exit(0))
  server.listen(0, '127.0.0.1', () => process.send?.({ kind: 'ready', port: (server.address() as AddressInfo).port } satisfies PeerReady))
}

type Publish = (run: object) => void
type Http = ReturnType<typeof createServer>

function bareWs(server: Http): Publish {
  const sockets = new WebSocketServer({ server, perMessageDeflate: false })
  return (run) => {
    const message = Buffer.from(JSON.stringify({ id: '1', type: 'next', payload: { data: { run } } }))
    for (const socket of sockets.clients) socket.send(message, { binary: false })
  }
}

function yogaPubSub(server: Http): Publish {
  const pubSub = createPubSub<{ run: [run: object] }>()
  const yoga = createYoga({
    logging: false,
    schema: createSchema({
      typeDefs: `type Run { id: ID! jobId: ID! status: String! at: Float! note: String! }
        type Query { hello: String } type Subscription { run: Run! }`,
      resolvers: { Subscription: { run: { subscribe: () => pubSub.subscribe('run'), resolve: (run: object) => run } } },
    }),
  })
  server.on('request', yoga)
  const sockets = new WebSocketServer({ server, path: yoga.graphqlEndpoint, perMessageDeflate: false })
  type Enveloped = ReturnType<typeof yoga.getEnveloped>
  useServer(
    {
      execute: (args) => (args.rootValue as Enveloped).execute(args) as ReturnType<typeof execute>,
      subscribe: (args) => (args.rootValue as Enveloped).subscribe(args) as ReturnType<typeof subscribe>,
      onSubscribe: async (ctx, _id, params) => {
        const enveloped = yoga.getEnveloped({ ...ctx, req: ctx.extra.request, socket: ctx.extra.socket, params })
        const args = {
          schema: enveloped.schema,
          operationName: params.operationName ?? null,
          document: enveloped.parse(params.query),
          variableValues: params.variables ?? {},
          contextValue: await enveloped.contextFactory(),
          rootValue: enveloped,
        }
        const errors = enveloped.validate(args.schema, args.document)
        return errors.length > 0 ? errors : args
      },
    },
    sockets,
  )
  return (run) => pubSub.publish('run', run)
}
