import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createDocuments } from '../../src/server/documents.ts'
import { testSchema } from './testServer.ts'

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

test('a text is parsed and validated once; its operations are told apart', () => {
  const documents = createDocuments(testSchema)
  const query = 'query A { hello } mutation B { bump }'
  const a = documents.prepare({ query, operationName: 'A' })
  const b = documents.prepare({ query, operationName: 'B' })
  assert.ok('document' in a && 'document' in b)
  assert.equal(a.document, b.document)
  assert.deepEqual([a.operation.operation, b.operation.operation], ['query', 'mutation'])
  const none = documents.prepare({ query, operationName: 'C' })
  assert.ok('refused' in none)
  assert.match(none.refused[0]?.message ?? '', /no operation "C"; it has A, B/)
  assert.ok('refused' in documents.prepare({ query }))
  assert.ok('refused' in documents.prepare({ query: 'fragment F on Query { hello }' }))
})

test('what is kept is bounded, whatever documents come: hundreds of large ones cost what a few do', () => {
  const documents = createDocuments(testSchema)
  const fields = 'cursor run status payload '.repeat(150)
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  for (let index = 0; index < 700; index++) {
    // Half of them many small tokens, half one long text.
    const query = index % 2 === 0 ? `subscription Q${index} { runs { ${fields} } }` : `# ${'x'.repeat(50_000)}\nquery Q${index} { hello }`
    assert.ok('document' in documents.prepare({ query }))
  }
  collectGarbage()
  const more = process.memoryUsage().heapUsed - before
  assert.ok(more < 60 * 1_048_576, `${Math.round(more / 1_048_576)} MB`)
})

test('a document too deep for the parser is refused, not an error of the server', () => {
  const documents = createDocuments(testSchema)
  for (const query of [
    `${'{a'.repeat(2_000)}${'}'.repeat(2_000)}`,
    `{ hello(name: ${'['.repeat(2_400)}${']'.repeat(2_400)}) }`,
    `query ($a: ${'['.repeat(2_400)}Int${']'.repeat(2_400)}) { hello }`,
  ]) {
    assert.ok('refused' in documents.prepare({ query }))
  }
})
