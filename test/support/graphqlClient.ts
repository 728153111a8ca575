import { createClient as createSseClient } from 'graphql-sse'
import { createClient as createWsClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { Recorder } from './recorder.ts'

export interface GraphQLProblem {
  readonly message: string
  readonly path?: readonly (string | number)[]
  readonly extensions?: Readonly<Record<string, unknown>>
}

export interface Answer<T> {
  readonly data?: T | null
  readonly errors?: readonly GraphQLProblem[]
}

export type Variables = Readonly<Record<string, unknown>>

/** Sends one operation and answers what came, errors included. */
export async function ask<T = Record<string, unknown>>(url: string, query: string, variables: Variables = {}): Promise<Answer<T>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json, application/json' },
    body: JSON.stringify({ query, variables }),
  })
  return (await response.json()) as Answer<T>
}

/** Sends one operation and answers its data; top-level errors are thrown. */
export async function request<T>(url: string, query: string, variables: Variables = {}): Promise<T> {
  const { data, errors } = await ask<T>(url, query, variables)
  if (errors !== undefined || data === undefined || data === null) throw new Error(`GraphQL: ${JSON.stringify(errors)}\n${query}`)
  return data
}

export interface Subscription<T> {
  readonly events: Recorder<T>
  /** Ends the subscription and its connection. */
  close(): Promise<void>
}

/** A socket that does not keep a failed test alive. */
class QuietWebSocket extends WebSocket {
  constructor(url: string, protocols?: string | string[]) {
    super(url, protocols)
    this.once('upgrade', ({ socket }) => socket.unref())
  }
}

/** Subscribes with graphql-ws's own client. Resolves when the connection is acknowledged and the operation was sent. */
export async function subscribeWs<T>(url: string, query: string, variables: Variables = {}): Promise<Subscription<T>> {
  const sent = Promise.withResolvers<void>()
  const client = createWsClient({
    url: url.replace(/^http/, 'ws'),
    webSocketImpl: QuietWebSocket,
    retryAttempts: 0,
    on: { connected: () => sent.resolve() },
  })
  const events = new Recorder<T>()
  const done = follow<T>(client.iterate<T>({ query, variables }), events)
  // The socket keeps nobody alive, so this wait must.
  const timer = setTimeout(() => sent.reject(new Error('the WebSocket was not acknowledged within 10 s')), 10_000)
  await Promise.race([sent.promise, done]).finally(() => clearTimeout(timer))
  return {
    events,
    close: async () => {
      await client.dispose()
      await done
    },
  }
}

/** Subscribes by server-sent events with graphql-sse's own client. */
export function subscribeSse<T>(url: string, query: string, variables: Variables = {}): Subscription<T> {
  const client = createSseClient({ url, retryAttempts: 0 })
  const events = new Recorder<T>()
  const done = follow<T>(client.iterate<T>({ query, variables }), events)
  return {
    events,
    close: async () => {
      client.dispose()
      await done
    },
  }
}

async function follow<T>(results: AsyncIterable<{ data?: T | null | undefined; errors?: unknown }>, events: Recorder<T>): Promise<void> {
  try {
    for await (const { data, errors } of results) {
      if (errors !== undefined) throw new Error(JSON.stringify(errors))
      events.add(data!)
    }
    events.fail(new Error('the subscription has completed'))
  } catch (error) {
    events.fail(error instanceof Error ? error : new Error(`the subscription failed: ${JSON.stringify(error)}`))
  }
}
