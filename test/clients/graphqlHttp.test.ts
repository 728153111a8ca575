import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { serverAudits } from 'graphql-http'
import { type Orrery, startOrrery } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

// The audits of the GraphQL-over-HTTP specification's reference implementation, those of MUST, SHOULD and MAY alike.

describe("graphql-http's server audits", () => {
  let orrery: Orrery
  before(async () => {
    orrery = await startOrrery({ directory: temporaryDirectory() })
  })
  after(() => orrery?.kill('SIGTERM'))

  const audits = serverAudits({ url: () => orrery.url })
  test('there are as many as were known when this was written, or more', () => assert.ok(audits.length >= 61))
  for (const { id, name, fn } of audits) {
    test(`${id}: ${name}`, async () => {
      const result = await fn()
      assert.equal(result.status, 'ok', 'reason' in result ? result.reason : '')
    })
  }
})
