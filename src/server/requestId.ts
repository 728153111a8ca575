import { randomUUID } from 'node:crypto'

const ACCEPTED = /^[\w.:+/=-]{1,128}$/

/** The id a client or proxy gave in `x-request-id`, where it is fit for a log line; else a new one. */
export function requestIdOf(given: string | readonly string[] | undefined): string {
  return typeof given === 'string' && ACCEPTED.test(given) ? given : randomUUID()
}
