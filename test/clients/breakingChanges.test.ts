import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CriticalityLevel, diff } from '@graphql-inspector/core'
import { buildSchema } from 'graphql'

const read = (path: string): string => readFileSync(join(import.meta.dirname, '../..', path), 'utf8')
const released = read('test/api/lastRelease.graphql')

/** What clients written against the last release would stumble over. */
async function breaks(schema: string): Promise<string[]> {
  const changes = await diff(buildSchema(released), buildSchema(schema))
  return changes.filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking).map(({ message }) => message)
}

test('the schema breaks no client of the last release', async () => {
  assert.deepEqual(await breaks(read('schema.graphql')), [])
})

test('a planted break is found: a field that is gone, an argument that is asked for, a value that may be null', async () => {
  const plant = async (from: string | RegExp, to: string): Promise<string[]> => {
    const planted = released.replace(from, to)
    assert.notEqual(planted, released)
    return breaks(planted)
  }
  assert.match((await plant(/^ {2}streamPosition: Cursor!$/m, '  position: Cursor!')).join(), /streamPosition.* was removed/)
  assert.match((await plant(/^ {2}streamPosition: Cursor!$/m, '  streamPosition(of: ID!): Cursor!')).join(), /'of: ID!'/)
  assert.match((await plant(/^ {2}streamPosition: Cursor!$/m, '  streamPosition: Cursor')).join(), /changed type/)
})
