import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Sink } from '../stream/group.ts'

/** A socket with so much unsent is not read from: a client that asks without reading answers waits for itself. */
const MAX_UNSENT = 1_048_576

/** What is written to one WebSocket, and how much of it has not gone yet. */
export class SocketLine {
  readonly #socket: WebSocket
  /** The connection that the WebSocket speaks on. */
  readonly #connection: Duplex
  readonly #waiting = new Map<Sink, () => void>()

  constructor(socket: WebSocket, connection: Duplex) {
    this.#socket = socket
    this.#connection = connection
    connection.on('drain', () => {
      const waiting = [...this.#waiting.values()]
      this.#waiting.clear()
      for (const callback of waiting) callback()
    })
  }

  /** Resolves when the message has gone to the network: a stream waits with its next event, so a client that does not read holds one. */
  send(data: string): Promise<void> {
    const socket = this.#socket
    return new Promise((resolve, reject) => {
      if (socket.readyState !== socket.OPEN) return resolve()
      socket.send(data, (error) => {
        if (socket.isPaused && socket.bufferedAmount <= MAX_UNSENT) socket.resume()
        if (error) reject(error)
        else resolve()
      })
      if (socket.bufferedAmount > MAX_UNSENT) socket.pause()
    })
  }

  /** Where the results of a subscription go that is told together with others. Not ready from 64 KB unsent until all of it has gone. */
  sinkOf(id: string): Sink {
    const before = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`)
    const line = this
    return {
      get ready() {
        return !line.#connection.writableNeedDrain
      },
      write: (rendered) => line.#writeFrame(before, rendered),
      whenReady(callback) {
        if (callback === null) line.#waiting.delete(this)
        else line.#waiting.set(this, callback)
      },
    }
  }

  /**
   * A message of text in one frame (RFC 6455 §5.2: final, unmasked), written whole: `ws` would want the message put together first and
   * then writes its head by itself, which costs a third more where thousands get the same. It compresses nothing and is in no frame between
   * two of its calls, so that both may write.
   */
  #writeFrame(before: Buffer, rendered: Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    const length = before.length + rendered.length + 1
    const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
    const frame = Buffer.allocUnsafe(header + length)
    frame[0] = 0x81
    frame[1] = header === 2 ? length : header === 4 ? 126 : 127
    if (header === 4) frame.writeUInt16BE(length, 2)
    if (header === 10) frame.writeBigUInt64BE(BigInt(length), 2)
    before.copy(frame, header)
    rendered.copy(frame, header + before.length)
    frame[frame.length - 1] = CLOSING_BRACE
    this.#connection.write(frame)
  }
}

const CLOSING_BRACE = 0x7d
