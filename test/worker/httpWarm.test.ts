import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { createAddressGuard } from '../../src/worker/targets/addresses.ts'
import { createHttpPerformer } from '../../src/worker/targets/http.ts'
import { SECRET } from './fixtures/webServer.ts'

/** Whether this process has loaded the client: what takes the first request longer than its instant allows. */
const hasClient = (): boolean => Object.keys(createRequire(import.meta.url).cache).some((file) => /[\\/]undici[\\/]/.test(file))

test('a performer loads the HTTP client when it is warmed up, not when it is made', async () => {
  const performer = createHttpPerformer({ guard: createAddressGuard([]), resolve: async () => [], signingSecret: SECRET, now: Date.now })
  assert.equal(hasClient(), false)
  await performer.warmUp()
  assert.equal(hasClient(), true)
  await performer.close()
})
