import { type Instant, toIso } from '../domain/instant.ts'
import { badUserInput } from './errors.ts'

/** A stretch of time: `from` inclusive, `to` exclusive. One that begins where it ends holds nothing. */
export interface Window {
  readonly from: Instant
  readonly to: Instant
}

/** @throws BAD_USER_INPUT where the window ends before it begins. */
export function readWindow(from: Instant, to: Instant): Window {
  if (to < from) throw badUserInput(`\`to\` is ${toIso(to)}, before \`from\` (${toIso(from)}); accepted: an instant not before \`from\`.`)
  return { from, to }
}
