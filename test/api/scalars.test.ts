import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GraphQLError, parseValue } from 'graphql'
import { isoText } from '../../src/api/isoText.ts'
import { Cursor, DateTime, Duration, Json, parseInstant } from '../../src/api/scalars.ts'
import { toIso } from '../../src/domain/instant.ts'
import { FIRST_INSTANT, LAST_INSTANT } from '../../src/domain/instantRange.ts'

// Keys that are names: others cannot be written in a literal.
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    tie('list'),
    tie('object'),
  ),
  list: fc.array(tie('json'), { maxLength: 4 }),
  object: fc.dictionary(fc.stringMatching(/^[A-Za-z_]\w{0,8}$/), tie('json'), { maxKeys: 4 }),
}))
const instants = fc.integer({ min: FIRST_INSTANT, max: LAST_INSTANT })

function refuses(read: () => unknown, names: string): void {
  assert.throws(
    read,
    (error) => error instanceof GraphQLError && error.extensions.code === 'BAD_USER_INPUT' && error.message.startsWith(names),
  )
}

test('every instant prints as toISOString does', () => {
  fc.assert(fc.property(instants, (instant) => assert.equal(isoText(instant), toIso(instant))))
  for (const instant of [0, -1, 1, 999, FIRST_INSTANT, LAST_INSTANT]) assert.equal(isoText(instant), toIso(instant))
})

test('every instant that is printed is read back', () => {
  fc.assert(fc.property(instants, (instant) => assert.equal(parseInstant(isoText(instant)), instant)))
})

test('an instant is read with any offset', () => {
  const noon = Date.UTC(2026, 2, 1, 12)
  const same = [
    '2026-03-01T12:00:00Z',
    '2026-03-01t12:00:00z',
    '2026-03-01T17:45:00+05:45',
    '2026-03-01T08:30:00-03:30',
    '2026-03-02T11:59:00+23:59',
    '2026-03-01T12:00:00.000-00:00',
  ]
  for (const text of same) assert.equal(parseInstant(text), noon, text)
  assert.equal(parseInstant('2026-03-01T12:00:00.1239Z'), noon + 123, 'finer than milliseconds is cut')
})

test('what is no RFC 3339 instant is refused, in variables and literals alike', () => {
  const bad = [
    '2026-03-01',
    '2026-03-01T12:00:00',
    '2026-03-01 12:00:00Z',
    '2026-03-01T12:00Z',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-03-01T24:00:00Z',
    '2026-03-01T23:59:60Z',
    '2026-03-01T12:00:00+0545',
    '2026-03-01T12:00:00+24:00',
    '2026-03-01T12:00:00+05:60',
    '20260301T120000Z',
    'now',
    '',
    '1772366400000',
    '2026-03-01T12:00:00.Z',
    '9999-12-31T23:59:59-00:01',
    '0000-01-01T00:00:00+00:01',
    '+010000-01-01T00:00:00Z',
    '2026-03-01T12:00:00Z ',
    '٢٠٢٦-03-01T12:00:00Z',
  ]
  for (const text of bad) {
    refuses(() => DateTime.parseValue(text), 'DateTime cannot be')
    refuses(() => DateTime.parseLiteral(parseValue(JSON.stringify(text)), null), 'DateTime cannot be')
  }
  for (const value of [0, 1_772_366_400_000, true, null, {}, []]) refuses(() => DateTime.parseValue(value), 'DateTime cannot be')
  for (const literal of ['0', 'now', 'true', '{a: 1}', '["2026-03-01T12:00:00Z"]'])
    refuses(() => DateTime.parseLiteral(parseValue(literal), null), 'DateTime cannot be')
})

test('instants print in UTC with milliseconds, from numbers and Dates alike', () => {
  assert.equal(DateTime.serialize(0), '1970-01-01T00:00:00.000Z')
  assert.equal(DateTime.serialize(new Date(1_500)), '1970-01-01T00:00:01.500Z')
})

test('lengths of time are read in both notations and print in hours, minutes and seconds', () => {
  const read = { PT90S: 90_000, P1D: 86_400_000, '1h30m': 5_400_000, '250ms': 250, 'PT0.25S': 250 }
  for (const [text, milliseconds] of Object.entries(read)) {
    assert.equal(Duration.parseValue(text), milliseconds)
    assert.equal(Duration.parseLiteral(parseValue(JSON.stringify(text)), null), milliseconds)
  }
  assert.equal(Duration.serialize(90_250), 'PT1M30.25S')
  for (const bad of ['P1M', 'P1Y', '-5s', '5', '', 'PT', 5, null, { seconds: 5 }])
    refuses(() => Duration.parseValue(bad), 'Duration cannot be')
  refuses(() => Duration.parseLiteral(parseValue('90'), null), 'Duration cannot be 90;')
})

test('a cursor is text, and nothing else', () => {
  assert.equal(Cursor.parseValue('abc'), 'abc')
  refuses(() => Cursor.parseValue(5), 'Cursor cannot be 5;')
})

test('JSON means the same as a literal and as a variable', () => {
  fc.assert(
    fc.property(json, (value) => {
      assert.equal(Json.parseValue(value), value)
      assert.equal(JSON.stringify(Json.parseLiteral(parseValue(literal(value)), null)), JSON.stringify(value))
    }),
  )
})

test('variables stand inside JSON literals', () => {
  assert.deepEqual(Json.parseLiteral(parseValue('{a: $x, b: [$y, $missing]}'), { x: 1, y: { z: 2 } }), { a: 1, b: [{ z: 2 }, null] })
})

test('a key named __proto__ is a key like any other', () => {
  const value = Json.parseLiteral(parseValue('{__proto__: {admin: true}}'), null) as object
  assert.equal(JSON.stringify(value), '{"__proto__":{"admin":true}}')
  assert.equal(Object.getPrototypeOf(value), Object.prototype)
})

test('JSON that nests too deep, is too large, or is no JSON is refused', () => {
  refuses(() => Json.parseValue(JSON.parse('['.repeat(65) + ']'.repeat(65))), 'JSON cannot nest deeper than 64')
  refuses(() => Json.parseLiteral(parseValue('['.repeat(66) + ']'.repeat(66)), null), 'JSON cannot nest deeper than 64')
  refuses(() => Json.parseValue('x'.repeat(1_048_577)), 'JSON cannot have')
  refuses(() => Json.parseLiteral(parseValue('[RED]'), null), 'RED is no JSON value')
  refuses(() => Json.parseLiteral(parseValue('1e400'), null), '1e400 is too large')
})

/** A JSON value as a GraphQL literal. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(' ')}]`
  if (typeof value !== 'object' || value === null) return typeof value === 'number' && Object.is(value, -0) ? '0' : JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([key, item]) => `${key}: ${literal(item)}`)
    .join(' ')}}`
}
