import type { ServerResponse } from 'node:http'
import type { GraphQLError } from 'graphql'
import { type ApiErrorCode, apiError, formatError } from '../api/errors.ts'

export const JSON_TYPE = 'application/json'
/** The media type of GraphQL over HTTP, under which the status says whether the operation was executed. */
export const GRAPHQL_TYPE = 'application/graphql-response+json'

export type JsonType = typeof JSON_TYPE | typeof GRAPHQL_TYPE

/** Sends JSON text, whole. Headers set on the response before go with it. */
export function sendJson(res: ServerResponse, status: number, type: JsonType, text: string): void {
  const length = Buffer.byteLength(text)
  res.statusCode = status
  res.setHeader('content-type', `${type}; charset=utf-8`)
  res.setHeader('content-length', length)
  // Where every character is one byte the two encodings agree, and latin1 is written twice as fast.
  res.end(text, length === text.length ? 'latin1' : 'utf8')
}

/** Refuses a request as GraphQL clients understand it: errors with a code, under a status. */
export function sendErrors(res: ServerResponse, status: number, type: JsonType, errors: readonly GraphQLError[]): void {
  sendJson(res, status, type, JSON.stringify({ errors: errors.map(formatError) }))
}

export function sendError(res: ServerResponse, status: number, code: ApiErrorCode, message: string): void {
  sendErrors(res, status, JSON_TYPE, [apiError(code, message)])
}

/**
 * The status of an operation that was not executed. Under application/json a well-formed request answers 200 whatever is wrong with its
 * document (GraphQL over HTTP, 6.4.1), under application/graphql-response+json 400; what is our fault is 5xx under both.
 */
export function refusalStatus(errors: readonly GraphQLError[], type: JsonType): number {
  const codes = errors.map((error) => error.extensions.code)
  if (codes.includes('UNAVAILABLE')) return 503
  if (codes.includes('INTERNAL')) return 500
  return type === JSON_TYPE ? 200 : 400
}

/**
 * Which of the two JSON types a client wants; null where it wants neither. The one with the greatest weight, among equals the first.
 * Wildcards mean application/json, as does no header at all: that is what clients that do not know better can read.
 */
export function jsonTypeFor(accept: string | undefined): JsonType | null {
  if (accept === undefined || accept === JSON_TYPE || accept === '*/*') return JSON_TYPE
  if (accept === GRAPHQL_TYPE) return GRAPHQL_TYPE
  let best: JsonType | null = null
  let bestWeight = 0
  for (const { type, weight } of acceptedTypes(accept)) {
    const json = type === GRAPHQL_TYPE ? GRAPHQL_TYPE : [JSON_TYPE, 'application/*', '*/*'].includes(type) ? JSON_TYPE : null
    if (json === null || weight <= bestWeight) continue
    best = json
    bestWeight = weight
  }
  return best
}

/** Whether a client can read a stream of events. */
export function acceptsEventStream(accept: string | undefined): boolean {
  return (
    accept === undefined ||
    acceptedTypes(accept).some(({ type, weight }) => weight > 0 && ['text/event-stream', 'text/*', '*/*'].includes(type))
  )
}

function acceptedTypes(accept: string): { readonly type: string; readonly weight: number }[] {
  return accept
    .toLowerCase()
    .split(',')
    .slice(0, 20)
    .flatMap((entry) => {
      const [type = '', ...parameters] = entry.split(';').map((part) => part.trim())
      const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length)
      if (charset !== undefined && charset.replaceAll('"', '') !== 'utf-8') return []
      const weight = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)
      return [{ type, weight: Number.isNaN(weight) ? 1 : weight }]
    })
}
