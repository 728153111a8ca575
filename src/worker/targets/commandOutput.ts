import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as delay } from 'node:timers/promises'

/** Longer lines are cut. */
const MAX_LINE = 8 * 1024
/** So many lines are told at once; then the rest of the process gets its turn, and a command that writes for ever is held up by its pipe. */
const LINES_A_TURN = 250
const TURN = 10

/**
 * Tells the lines of a command's output, the unfinished last one included. Bytes that are no UTF-8 become U+FFFD. Resolves when the
 * stream has ended or was destroyed, and never rejects.
 */
export async function tellLines(stream: Readable, tell: (line: string) => void): Promise<void> {
  const cutter = new LineCutter()
  const decoder = new StringDecoder('utf8')
  let told = 0
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      for (const line of cutter.push(decoder.write(chunk))) {
        tell(line)
        if (++told % LINES_A_TURN === 0) await delay(TURN)
        if (stream.destroyed && !stream.readableEnded) return
      }
    }
  } catch {
    // Destroyed while it was read: what came before is told.
  }
  for (const line of [...cutter.push(decoder.end()), ...cutter.end()]) tell(line)
}

/** Cuts text into lines without ever holding more of an unfinished one than is told of it. */
class LineCutter {
  #line = ''
  #cut = false

  push(text: string): string[] {
    const lines = text.split('\n')
    const unfinished = lines.pop() ?? ''
    const finished = lines.map((part) => {
      this.#add(part)
      return this.#take()
    })
    this.#add(unfinished)
    return finished
  }

  end(): string[] {
    return this.#line === '' ? [] : [this.#take()]
  }

  #add(part: string): void {
    const room = MAX_LINE - this.#line.length
    if (part.length > room) this.#cut = true
    this.#line += part.slice(0, room)
  }

  #take(): string {
    // NUL is no text for every database.
    const line = this.#line.replace(/\r$/, '').replaceAll('\0', '\ufffd').toWellFormed()
    const whole = this.#cut ? `${line}…` : line
    this.#line = ''
    this.#cut = false
    return whole
  }
}
