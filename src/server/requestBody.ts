import type { IncomingMessage } from 'node:http'
import type { OperationParams } from './documents.ts'

/** Of a request over HTTP, and of a message over a WebSocket. The greatest input of the product, a payload, has 64 KiB. */
export const MAX_BODY = 262_144
/** How much of a body that is too large is still taken in, so that the client comes to read the answer. */
const MAX_DISCARDED = 8 * 1_048_576

/**
 * The body as text, or null where it is larger than MAX_BODY: then the rest is discarded, and the connection must not be used again.
 * Rejects where the client goes away before the end.
 */
export function readBody(req: IncomingMessage): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    if (Number(req.headers['content-length'] ?? 0) > MAX_BODY) resolve(null)
    req.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= MAX_BODY) chunks.push(chunk)
      else {
        chunks.length = 0
        resolve(null)
        if (size > MAX_DISCARDED) req.destroy()
      }
    })
    req.on('end', () => resolve(chunks.length === 1 ? (chunks[0]?.toString('utf8') ?? '') : Buffer.concat(chunks).toString('utf8')))
    req.on('error', reject)
    req.on('close', () => {
      if (!req.complete) reject(new Error('the client went away'))
    })
  })
}

/** What is asked for, or the reason why a JSON value is no request. */
export function readParams(value: unknown): OperationParams | string {
  if (!isObject(value)) return `The body must be a JSON object with "query"; it is ${kindOf(value)}.`
  const { query, operationName, variables, extensions } = value
  if (typeof query !== 'string') return `"query" must be a text; it is ${kindOf(query)}.`
  if (operationName != null && typeof operationName !== 'string') return `"operationName" must be a text; it is ${kindOf(operationName)}.`
  if (variables != null && !isObject(variables)) return `"variables" must be an object; it is ${kindOf(variables)}.`
  if (extensions != null && !isObject(extensions)) return `"extensions" must be an object; it is ${kindOf(extensions)}.`
  return { query, operationName, variables, extensions }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
