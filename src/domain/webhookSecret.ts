// Secrets of Standard Webhooks (https://www.standardwebhooks.com): `whsec_` and the base64 of 24 to 64 random bytes.

const PREFIX = 'whsec_'
const LEAST_BYTES = 24
const MOST_BYTES = 64

/** The secret that these random bytes (24 to 64) make. */
export function webhookSecret(random: Uint8Array): string {
  if (random.length < LEAST_BYTES || random.length > MOST_BYTES) {
    throw new RangeError(`A signing secret is made of ${LEAST_BYTES} to ${MOST_BYTES} bytes, not of ${random.length}.`)
  }
  return PREFIX + Buffer.from(random).toString('base64')
}

/** The bytes of a secret. Throws on text that is none. */
export function webhookKey(secret: string): Uint8Array {
  const wrong = wrongWebhookSecret(secret)
  if (wrong !== null) throw new TypeError(wrong)
  return Buffer.from(secret.slice(PREFIX.length), 'base64')
}

/** What is wrong with text that should be a secret, or null. Says nothing of the text itself: it may be one with a slip. */
export function wrongWebhookSecret(secret: string): string | null {
  const expected = `a signing secret is ${PREFIX} followed by the base64 of ${LEAST_BYTES} to ${MOST_BYTES} bytes`
  if (!secret.startsWith(PREFIX)) return `It does not start with ${PREFIX}: ${expected}.`
  const encoded = secret.slice(PREFIX.length)
  const bytes = Buffer.from(encoded, 'base64')
  if (bytes.toString('base64') !== encoded) return `What follows ${PREFIX} is not base64 (with its padding): ${expected}.`
  if (bytes.length < LEAST_BYTES || bytes.length > MOST_BYTES) return `It holds ${bytes.length} bytes: ${expected}.`
  return null
}
