// A process full of subscribers on plain sockets, so cheap that the server is what is measured. Told by its parent what to be; tells it
// when all have subscribed, and for each event when the first, the middle and the last of them had it.
import { randomBytes, randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { percentile } from './report.ts'

export interface SubscribersOptions {
  readonly port: number
  readonly count: number
  /** What each sends once it is acknowledged; null: it speaks no GraphQL, and is ready with the handshake. */
  readonly query: string | null
}

export interface AllSubscribed {
  readonly kind: 'ready'
}

/** All have got an event. Milliseconds since 1970. */
export interface AllTold {
  readonly kind: 'event'
  readonly first: number
  readonly middle: number
  readonly last: number
  /** The message, as one of them got it. */
  readonly text: string
}

/** Connections that are opened at once. */
const OPENING = 50
/** Shorter ones are part of the protocol. */
const SHORTEST_EVENT = 120

if (process.argv[2] !== undefined && process.send !== undefined) subscribe(JSON.parse(process.argv[2]) as SubscribersOptions)

function subscribe({ port, count, query }: SubscribersOptions): void {
  let opened = 0
  let ready = 0
  let arrivals: number[] = []

  const tell = (message: AllSubscribed | AllTold): void => void process.send?.(message)
  const subscribed = (): void => {
    ready++
    if (ready === count) tell({ kind: 'ready' })
    else open()
  }
  const arrived = (message: Buffer): void => {
    arrivals.push(performance.timeOrigin + performance.now())
    if (arrivals.length < count) return
    const sorted = arrivals.sort((a, b) => a - b)
    arrivals = []
    tell({ kind: 'event', first: sorted[0]!, middle: percentile(sorted, 0.5), last: sorted.at(-1)!, text: message.toString() })
  }

  function open(): void {
    if (opened === count) return
    opened++
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    socket.on('error', (error) => {
      console.error(error)
      process.exit(1)
    })
    socket.write(handshake(port, query === null ? '' : 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n'))
    let rest: Buffer | null = null
    let upgraded = false
    socket.on('data', (chunk) => {
      let data = rest === null ? chunk : Buffer.concat([rest, chunk])
      if (!upgraded) {
        const end = data.indexOf('\r\n\r\n')
        if (end >= 0) {
          upgraded = true
          data = data.subarray(end + 4)
          if (query === null) subscribed()
          else socket.write(masked('{"type":"connection_init"}'))
        }
      }
      for (let message = upgraded ? firstMessage(data) : null; message !== null; message = firstMessage(data)) {
        data = data.subarray(message.end)
        if (message.text.includes('connection_ack')) {
          socket.write(masked(JSON.stringify({ id: randomUUID(), type: 'subscribe', payload: { query } })))
          subscribed()
        } else if (message.text.length >= SHORTEST_EVENT) arrived(message.text)
      }
      rest = data.length === 0 ? null : Buffer.from(data)
    })
  }
  for (let index = 0; index < OPENING; index++) open()
  process.once('disconnect', () => process.exit(0))
}

function handshake(port: number, more: string): string {
  const key = randomBytes(16).toString('base64')
  return `GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n${more}\r\n`
}

/** A short message of a client: masked, by zeros. */
function masked(text: string): Buffer {
  const payload = Buffer.from(text)
  const head =
    payload.length < 126
      ? Buffer.from([0x81, 0x80 | payload.length])
      : Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255])
  return Buffer.concat([head, Buffer.alloc(4), payload])
}

/** The first message that is whole; of a server, unmasked, shorter than 65,536 bytes. */
function firstMessage(data: Buffer): { readonly text: Buffer; readonly end: number } | null {
  if (data.length < 2) return null
  const long = (data[1]! & 127) === 126
  if (long && data.length < 4) return null
  const start = long ? 4 : 2
  const end = start + (long ? data.readUInt16BE(2) : data[1]! & 127)
  return data.length < end ? null : { text: data.subarray(start, end), end }
}
