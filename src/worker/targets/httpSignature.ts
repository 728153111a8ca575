import { createHmac } from 'node:crypto'
import type { Instant } from '../../domain/instant.ts'
import { webhookKey } from '../../domain/webhookSecret.ts'

export interface SignedMessage {
  readonly id: string
  readonly timestamp: Instant
  /** Exactly what is sent; empty where nothing is. */
  readonly body: string
}

/**
 * The headers of Standard Webhooks (https://www.standardwebhooks.com): an HMAC over id, time in seconds and body. By Node's own
 * crypto: the `standardwebhooks` package hashes in JavaScript, which holds up the scheduler for milliseconds with a large payload.
 */
export function signatureHeaders(secret: string, { id, timestamp, body }: SignedMessage): Readonly<Record<string, string>> {
  const seconds = Math.floor(timestamp / 1000)
  const signature = createHmac('sha256', webhookKey(secret)).update(`${id}.${seconds}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': `v1,${signature}` }
}
