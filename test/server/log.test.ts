import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { createLog, type Log } from '../../src/log.ts'

function logTo(lines: string[], format: 'json' | 'pretty', level: 'info' | 'silent' = 'info'): Log {
  const out = new Writable({
    write(line, _encoding, done) {
      lines.push(String(line))
      done()
    },
  })
  return createLog({ logLevel: level, logFormat: format }, out)
}

test('JSON lines carry an instant, a level by name and the error with its stack', () => {
  const lines: string[] = []
  logTo(lines, 'json').error({ err: new Error('broken'), runId: 'run_1' }, 'failed')
  const line = JSON.parse(lines[0] ?? '')
  assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.deepEqual([line.level, line.msg, line.runId, line.err.message], ['error', 'failed', 'run_1', 'broken'])
  assert.match(line.err.stack, /log\.test/)
})

test('lines below the level are not written', () => {
  const lines: string[] = []
  logTo(lines, 'json').debug('not this')
  logTo(lines, 'json', 'silent').fatal('nor this')
  assert.deepEqual(lines, [])
})

test('secrets are not shown, wherever they stand', () => {
  const lines: string[] = []
  for (const format of ['json', 'pretty'] as const) {
    const log = logTo(lines, format)
    log.info({ authorization: 'hidden-1', signingSecret: 'hidden-2' }, 'one')
    log.info({ headers: { authorization: 'hidden-3', cookie: 'hidden-4', 'webhook-signature': 'hidden-5' } }, 'two')
    log.info({ target: { http: { secret: 'hidden-6' } }, config: { signingSecret: 'hidden-7' } }, 'three')
  }
  const text = lines.join('')
  assert.doesNotMatch(text, /hidden-/)
  assert.match(text, /three/)
})
