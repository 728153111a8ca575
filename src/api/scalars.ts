import { GraphQLScalarType, Kind, print, type ValueNode } from 'graphql'
import type { ObjMap } from 'graphql/jsutils/ObjMap.js'
import { formatDuration, parseDuration } from '../domain/duration.ts'
import type { Instant, Milliseconds } from '../domain/instant.ts'
import { isInstant } from '../domain/instantRange.ts'
import { depthExceeds } from '../domain/jobFields.ts'
import { badUserInput } from './errors.ts'
import { isoText } from './isoText.ts'

// A scalar has one reader for variables and literals alike, so that both accept the same and complain alike.

// RFC 3339, section 5.6: a zone is required. Second 60 is refused: no instant of ours falls into a leap second.
const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/

/** The instant that an RFC 3339 text names, cut to milliseconds; null where it names none between the years 0000 and 9999. */
export function parseInstant(text: string): Instant | null {
  const match = RFC_3339.exec(text)
  if (match === null) return null
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHour = '00', offsetMinute = '00'] = match
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, '0')}Z`
  const wall = Date.parse(local)
  // Date.parse rolls 30 February and 24:00 over; what it read must be what was written.
  if (Number.isNaN(wall) || new Date(wall).toISOString() !== local) return null
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return null
  const offset = (sign === '-' ? -1 : 1) * (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000
  const instant = wall - offset
  return isInstant(instant) ? instant : null
}

export const DateTime = textScalar<Instant, Instant | Date>({
  name: 'DateTime',
  description:
    'An instant as RFC 3339 writes it. Input: with any offset or Z, `2026-03-01T09:00:00+05:45`; finer than milliseconds is cut. Output: always UTC with milliseconds, `2026-03-01T03:15:00.000Z`.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339#section-5.6',
  read: parseInstant,
  accepted: 'an RFC 3339 date and time with its offset, such as 2026-03-01T09:00:00Z',
  write: (value) => isoText(typeof value === 'number' ? value : value.getTime()),
})

export const Duration = textScalar<Milliseconds, Milliseconds>({
  name: 'Duration',
  description:
    'A length of time, in whole milliseconds. Input: ISO 8601 (`PT90S`, `P1D`, `PT0.25S`) or short (`90s`, `5m`, `1h30m`, `250ms`); no months, years or negatives. Output: ISO 8601 in hours, minutes and seconds: `PT24H`, `PT1M30S`, `PT0.25S`.',
  read: parseDuration,
  accepted: 'ISO 8601 such as PT90S or P1D, or short such as 90s, 5m, 1h30m, 250ms; no months, years or negatives',
  write: formatDuration,
})

export const Cursor = textScalar<string, string>({
  name: 'Cursor',
  description: 'A position in the stream of changes. Opaque: keep the one of the last event you dealt with, and send it back as `after`.',
  read: (text) => text,
  accepted: 'a cursor exactly as `streamPosition` or an event gave it',
  write: (value) => value,
})

interface TextScalar<Read, Shown> {
  readonly name: string
  readonly description: string
  readonly specifiedByURL?: string
  /** Null where the text is none of this scalar's. */
  readonly read: (text: string) => Read | null
  readonly accepted: string
  readonly write: (value: Shown) => string
}

function textScalar<Read, Shown>({
  name,
  description,
  specifiedByURL,
  read,
  accepted,
  write,
}: TextScalar<Read, Shown>): GraphQLScalarType<Read, string> {
  const parse = (value: unknown, written: string | undefined): Read => {
    const parsed = typeof value === 'string' ? read(value) : null
    if (parsed === null) throw badUserInput(`${name} cannot be ${shorten(written)}; accepted: ${accepted}.`)
    return parsed
  }
  return new GraphQLScalarType<Read, string>({
    name,
    description,
    specifiedByURL: specifiedByURL ?? null,
    serialize: (value) => write(value as Shown),
    parseValue: (value) => parse(value, JSON.stringify(value)),
    parseLiteral: (node) => parse(node.kind === Kind.STRING ? node.value : null, print(node)),
  })
}

// Coarse bounds, so that no value can hurt whoever walks it. The product's own, lower limits (64 KiB, 32 levels) are told as
// UserErrors with a path by the commands.
const MAX_JSON_DEPTH = 64
const MAX_JSON_BYTES = 1_048_576

export const Json = new GraphQLScalarType<unknown, unknown>({
  name: 'JSON',
  description: 'Any JSON value, written as a literal or given as a variable. Payloads and outputs are at most 64 KiB and 32 levels deep.',
  serialize: (value) => value,
  parseValue: boundedJson,
  parseLiteral: (node, variables) => boundedJson(literalValue(node, variables ?? null)),
})

function boundedJson(value: unknown): unknown {
  if (depthExceeds(value, MAX_JSON_DEPTH)) throw badUserInput(`JSON cannot nest deeper than ${MAX_JSON_DEPTH} levels.`)
  const bytes = Buffer.byteLength(JSON.stringify(value) ?? '')
  if (bytes > MAX_JSON_BYTES) throw badUserInput(`JSON cannot have ${bytes} bytes; accepted: at most ${MAX_JSON_BYTES}.`)
  return value
}

/** The value that a literal stands for. Keys become own properties whatever their name, `__proto__` included. */
function literalValue(node: ValueNode, variables: ObjMap<unknown> | null, depth = 0): unknown {
  if (depth > MAX_JSON_DEPTH) throw badUserInput(`JSON cannot nest deeper than ${MAX_JSON_DEPTH} levels.`)
  switch (node.kind) {
    case Kind.NULL:
      return null
    case Kind.INT:
    case Kind.FLOAT:
      if (!Number.isFinite(Number(node.value))) throw badUserInput(`${shorten(node.value)} is too large a number for JSON.`)
      return Number(node.value)
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value
    case Kind.ENUM:
      throw badUserInput(`${shorten(node.value)} is no JSON value; text is written in quotes.`)
    case Kind.LIST:
      return node.values.map((item) => literalValue(item, variables, depth + 1))
    case Kind.OBJECT:
      return Object.fromEntries(node.fields.map((field) => [field.name.value, literalValue(field.value, variables, depth + 1)]))
    case Kind.VARIABLE:
      return variables?.[node.name.value] ?? null
  }
}

function shorten(text: string | undefined): string {
  return text === undefined ? 'nothing' : text.length > 60 ? `${text.slice(0, 60)}…` : text
}
