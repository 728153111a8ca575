import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeCursor, decodeLogCursor, encodeCursor, encodeLogCursor } from '../../src/stream/cursor.ts'
import { StreamError } from '../../src/stream/errors.ts'

const invalid = (error: unknown): boolean => error instanceof StreamError && error.code === 'CURSOR_INVALID'

test('a cursor names its position in its own database, whatever the database is called', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 60 }).filter((id) => Buffer.from(id, 'utf8').toString('utf8') === id),
      fc.maxSafeNat(),
      (databaseId, position) => {
        assert.equal(decodeCursor(databaseId, encodeCursor(databaseId, position)), position)
      },
    ),
  )
})

test('a cursor of another database is refused with the reason', () => {
  assert.throws(() => decodeCursor('db_b', encodeCursor('db_a', 7)), /another database/)
  assert.throws(() => decodeCursor('db_b', encodeCursor('db_a', 7)), invalid)
})

test('anything that is no cursor is refused: no text ends in another error', () => {
  const cursor = encodeCursor('db_a', 1_234)
  const spelledOtherwise = Buffer.from('1.db_a.00ya').toString('base64url')
  for (const bad of [
    '',
    ' ',
    '7',
    `${cursor} `,
    `${cursor}=`,
    cursor.slice(1),
    'x'.repeat(10_000),
    spelledOtherwise,
    '!',
    '\0',
    Buffer.from('2.db_a.1').toString('base64url'),
  ]) {
    assert.throws(() => decodeCursor('db_a', bad), invalid, bad)
  }
  fc.assert(fc.property(fc.string(), (text) => assert.throws(() => decodeCursor('db_a', text), invalid)))
})

test('a cursor of a log names its line in its own run and database; neither kind is taken for the other', () => {
  const cursor = encodeLogCursor('db_a', 'run_1', 1_234)
  assert.equal(decodeLogCursor('db_a', 'run_1', cursor), 1_234)
  assert.throws(() => decodeLogCursor('db_a', 'run_2', cursor), invalid)
  assert.throws(() => decodeLogCursor('db_b', 'run_1', cursor), /another database/)
  assert.throws(() => decodeLogCursor('db_a', 'run_1', encodeCursor('db_a', 7)), invalid)
  assert.throws(() => decodeLogCursor('db_a', 'run_1', encodeCursor('db_a.run_1', 7)), invalid)
  assert.throws(() => decodeCursor('db_a', cursor), /`runLogs`/)
  assert.throws(() => decodeCursor('db_a', cursor), invalid)
  fc.assert(fc.property(fc.string(), (text) => assert.throws(() => decodeLogCursor('db_a', 'run_1', text), invalid)))
})
