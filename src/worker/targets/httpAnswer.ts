import type { Readable } from 'node:stream'
import { HOUR, type Instant, type Milliseconds, SECOND } from '../../domain/instant.ts'
import { OUTPUT_LIMIT } from './outcomes.ts'

export type AnswerHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** Headers of an answer that its output keeps. */
const KEPT_HEADERS = [
  'content-type',
  'content-length',
  'content-encoding',
  'location',
  'retry-after',
  'date',
  'server',
  'etag',
  'x-request-id',
]
const MAX_HEADER = 1024
/** No server's `Retry-After` holds a run back for longer. */
const LONGEST_RETRY_AFTER: Milliseconds = HOUR

/** The first bytes of a body, and whether there were more. */
export interface BodyStart {
  readonly bytes: Buffer
  readonly truncated: boolean
}

/** Reads as much of a body as an output may hold; the rest is never taken from the network. Rejects where the connection breaks. */
export async function readStart(body: Readable): Promise<BodyStart> {
  const chunks: Buffer[] = []
  let size = 0
  // Ending the loop early destroys the body, and with it the socket; an error that this makes is of no interest any more.
  body.on('error', () => {})
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size > OUTPUT_LIMIT) break
  }
  return { bytes: Buffer.concat(chunks).subarray(0, OUTPUT_LIMIT), truncated: size > OUTPUT_LIMIT }
}

/**
 * The output of an HTTP attempt, JSON text of `{status, headers, body, truncated}` within the limit. `body` is the answer's JSON where it is
 * JSON and complete, exactly as it came; else its text, as much as fits.
 */
export function answerOutput(status: number, headers: AnswerHeaders, { bytes, truncated }: BodyStart): string {
  const head = `{"status":${status},"headers":${JSON.stringify(keptHeaders(headers))},"body":`
  const output = (body: string, cut: boolean) => `${head}${body},"truncated":${cut}}`
  let text = decode(bytes, headers, truncated)
  if (!truncated && isJson(text)) {
    const whole = output(text.trim(), false)
    if (Buffer.byteLength(whole) <= OUTPUT_LIMIT) return whole
  }
  let cut = truncated
  for (;;) {
    const whole = output(JSON.stringify(text), cut)
    const size = Buffer.byteLength(whole)
    if (size <= OUTPUT_LIMIT) return whole
    // Escaping makes some characters six bytes long: cut in proportion, and look again.
    text = text.slice(0, Math.floor(text.length * (OUTPUT_LIMIT / size) * 0.98)).toWellFormed()
    cut = true
  }
}

function keptHeaders(headers: AnswerHeaders): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of KEPT_HEADERS) {
    const value = headers[name]
    if (value !== undefined) kept[name] = (typeof value === 'string' ? value : value.join(', ')).slice(0, MAX_HEADER)
  }
  return kept
}

/** As its charset says, UTF-8 where it says nothing we know. Bytes that are no text become U+FFFD, a character cut in two is left out. */
function decode(bytes: Buffer, headers: AnswerHeaders, truncated: boolean): string {
  const charset = /;\s*charset="?([^\s;"]+)/i.exec(String(headers['content-type'] ?? ''))?.[1]
  const options = { stream: truncated }
  try {
    return new TextDecoder(charset).decode(bytes, options)
  } catch {
    return new TextDecoder().decode(bytes, options)
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** What `Retry-After` asks for (seconds, or a date), at most an hour; null where it says nothing. */
export function retryAfter(headers: AnswerHeaders, now: Instant): Milliseconds | null {
  const value = headers['retry-after']
  if (typeof value !== 'string') return null
  const wait = /^\s*\d+\s*$/.test(value) ? Number(value) * SECOND : Date.parse(value) - now
  return Number.isNaN(wait) ? null : Math.min(Math.max(wait, 0), LONGEST_RETRY_AFTER)
}
