import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openEngine } from '../../src/engine/engine.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const script = join(import.meta.dirname, '../../src/signingSecret.ts')

async function run(directory: string, env: Record<string, string> = {}): Promise<{ code: number; stdout: string; stderr: string }> {
  const inherited = { PATH: process.env.PATH }
  return promisify(execFile)(process.execPath, [script], { cwd: directory, env: { ...inherited, ...env } }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  )
}

test('prints the configured secret, alone', async () => {
  const secret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`
  assert.deepEqual(await run(temporaryDirectory(), { ORRERY_SIGNING_SECRET: secret }), { code: 0, stdout: `${secret}\n`, stderr: '' })
})

test('makes the secret where there is none, keeps it, and prints the same while a server holds the database', async () => {
  const directory = temporaryDirectory()
  const first = await run(directory)
  assert.match(first.stdout, /^whsec_[A-Za-z0-9+/]{43}=\n$/)
  assert.equal(first.stderr, '')
  assert.deepEqual(await run(directory), first)
  const quiet = { info: () => {}, warn: () => {}, error: () => {} }
  const server = await openEngine({ databaseUrl: `file:${join(directory, 'data/orrery.db')}`, instanceId: 'ins_test', log: quiet })
  try {
    assert.equal(`${await server.store.setting('signingSecret')}\n`, first.stdout)
    assert.deepEqual(await run(directory), first)
  } finally {
    await server.close()
  }
})

test('says what is wrong with the configuration on standard error, and prints nothing', async () => {
  const answer = await run(temporaryDirectory(), { ORRERY_LEASE: 'soon' })
  assert.deepEqual([answer.code, answer.stdout], [1, ''])
  assert.match(answer.stderr, /ORRERY_LEASE: got "soon"/)
  assert.doesNotMatch(answer.stderr, /\n {4}at /)
})
