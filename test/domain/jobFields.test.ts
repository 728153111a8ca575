import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { descriptionError, jsonText, keyError, nameError, pauseErrors, tagErrors } from '../../src/domain/jobFields.ts'
import { readTarget } from '../../src/domain/target.ts'

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])

describe('the fields of a job', () => {
  for (const name of ['', '   ', 'x'.repeat(201), ' x', 'a\nb', 'a\u0000', '\ud800'])
    it(`refuses the name ${JSON.stringify(name.slice(0, 10))}`, () => assert.equal(nameError(name, ['name'])?.code, 'INVALID'))
  for (const name of ['x', 'x'.repeat(200), 'Lohn – März 2026', '給与'])
    it(`accepts the name ${name.slice(0, 20)}`, () => assert.equal(nameError(name, ['name']), null))

  it('bounds tags in number and length, each with its own path', () => {
    assert.deepEqual(
      tagErrors(['ok', '', 'x'.repeat(65)], ['tags']).map((error) => error.path.join('.')),
      ['tags.1', 'tags.2'],
    )
    assert.deepEqual(
      tagErrors(
        Array.from({ length: 51 }, (_, i) => `t${i}`),
        ['tags'],
      ).map((error) => error.code),
      ['TOO_MANY'],
    )
  })

  it('bounds the description', () => {
    assert.equal(descriptionError('x'.repeat(10_001), ['description'])?.code, 'TOO_LARGE')
    assert.equal(descriptionError('a\u0000b', ['description'])?.code, 'INVALID')
    assert.equal(descriptionError('two\nlines', ['description']), null)
    assert.equal(descriptionError(null, ['description']), null)
  })

  it('bounds JSON in bytes and depth', () => {
    assert.equal(jsonText({ a: [1, null] }, ['payload']).text, '{"a":[1,null]}')
    assert.equal(jsonText(null, ['payload']).text, null)
    assert.equal(jsonText('é'.repeat(40_000), ['payload']).error?.code, 'TOO_LARGE')
    assert.equal(jsonText(nested(32), ['payload']).error, null)
    assert.equal(jsonText(nested(33), ['payload']).error?.code, 'INVALID')
    let deep: unknown = 1
    for (let i = 0; i < 100_000; i++) deep = [deep]
    assert.equal(jsonText(deep, ['payload']).error?.code, 'INVALID', 'depth cannot overflow the stack')
  })

  it('a key is text that stays what it is in a database', () => {
    for (const key of ['', ' ', 'x'.repeat(201), 'a\0', '\ud800', '\udc00x'])
      assert.equal(keyError('key', key, ['k'])?.code, 'INVALID', key)
    for (const key of [null, 'x', ' a b\t', '💥', 'x'.repeat(200)]) assert.equal(keyError('key', key, ['k']), null)
  })

  it('a pause needs a note, and an end that lies ahead', () => {
    assert.deepEqual(
      pauseErrors({ note: ' ', until: 5 }, 10, ['pause']).map((error) => [error.code, error.path.join('.')]),
      [
        ['INVALID', 'pause.note'],
        ['IN_THE_PAST', 'pause.until'],
      ],
    )
    assert.deepEqual(pauseErrors({ note: 'moving house', until: 11 }, 10, []), [])
    for (const note of ['a\0', '\ud800', 'x'.repeat(1_001)]) assert.equal(pauseErrors({ note }, 10, [])[0]?.code, 'INVALID')
  })
})

describe('reading a target', () => {
  const http = { url: 'https://example.com', method: 'POST' as const }
  const secret = { name: 'Authorization', secret: true }
  const stored = readTarget({ http: { ...http, secret: 'whsec_x', headers: [{ ...secret, value: 'Bearer 1' }] } }, null)

  it('keeps stored secrets that an update leaves out, and removes the signing secret on null', () => {
    assert.ok(stored.ok)
    const kept = readTarget({ http: { ...http, headers: [{ ...secret, name: 'authorization' }] } }, stored.value)
    assert.ok(kept.ok && kept.value.kind === 'http')
    assert.deepEqual([kept.value.secret, kept.value.headers], ['whsec_x', [{ name: 'authorization', value: 'Bearer 1', secret: true }]])
    const removed = readTarget({ http: { ...http, secret: null } }, stored.value)
    assert.ok(removed.ok && removed.value.kind === 'http')
    assert.deepEqual([removed.value.secret, removed.value.headers, removed.value.expectStatus], [null, [], ['2xx']])
  })

  it('names the header that has neither a value nor a stored one', () => {
    for (const header of [secret, { name: 'X-Plain', secret: false }]) {
      const result = readTarget({ http: { ...http, headers: [header] } }, null)
      assert.deepEqual(result.ok ? [] : result.errors[0]!.path, ['target', 'http', 'headers', '0', 'value'])
    }
  })
})
