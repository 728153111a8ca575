import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AttemptReport, NewLogLine, Store } from '../../src/engine/store/store.ts'
import { Reporter } from '../../src/worker/reporter.ts'

interface Written {
  readonly settled: AttemptReport[][]
  readonly lines: NewLogLine[]
  readonly order: string[]
}

/** A store that remembers what it was given; `failures` of its writes are refused first. */
function rememberingStore(failures = 0): { store: Store; written: Written } {
  const written: Written = { settled: [], lines: [], order: [] }
  const mayFail = () => {
    if (failures-- > 0) throw new Error('the database is away')
  }
  const store = {
    async settle(reports: readonly AttemptReport[]) {
      mayFail()
      written.settled.push([...reports])
      written.order.push('settle')
      return reports.map(({ runId }) => (runId === 'run_stale' ? { kind: 'stale' } : { kind: 'settled', status: 'SUCCEEDED' }))
    },
    async appendLogs(lines: readonly NewLogLine[]) {
      mayFail()
      written.lines.push(...lines)
      written.order.push('lines')
    },
    async setProgress() {
      written.order.push('progress')
    },
  } as Partial<Store> as Store
  return { store, written }
}

function reporterOf(store: Store) {
  const warnings: string[] = []
  const note = (_fields: object, message: string) => {
    warnings.push(message)
  }
  const log = { debug: note, info: note, warn: note, error: note }
  const reporter = new Reporter({ store, log: log as never, now: () => 1_000, random: () => 0.5, settled: () => {} })
  return { reporter, warnings }
}

const key = (runId: string) => ({ runId, attempt: 1 })
const succeeded = { kind: 'SUCCEEDED', output: null } as const

describe('the reporter', () => {
  it('stores what ends in one turn together', async () => {
    const { store, written } = rememberingStore()
    const { reporter } = reporterOf(store)
    for (let i = 0; i < 100; i++) reporter.report(key(`run_${i}`), succeeded)
    assert.equal(reporter.unsettled, 100)
    await reporter.stop()
    assert.deepEqual(
      written.settled.map((batch) => batch.length),
      [100],
    )
    assert.equal(reporter.unsettled, 0)
  })

  it('stores thousands that end in one turn in pieces, in their order', async () => {
    const { store, written } = rememberingStore()
    const { reporter } = reporterOf(store)
    const ids = Array.from({ length: 1_200 }, (_, i) => `run_${i}`)
    for (const id of ids) reporter.report(key(id), succeeded)
    await reporter.stop()
    assert.deepEqual(
      written.settled.map((batch) => batch.length),
      [500, 500, 200],
    )
    assert.deepEqual(
      written.settled.flat().map(({ runId }) => runId),
      ids,
    )
    assert.equal(reporter.unsettled, 0)
  })

  it('writes the lines of an attempt before its outcome', async () => {
    const { store, written } = rememberingStore()
    const { reporter } = reporterOf(store)
    const telling = reporter.telling(key('run_1'))
    telling.log('INFO', 'half way', { percent: 50 })
    telling.progress(150)
    reporter.report(key('run_1'), succeeded)
    await reporter.stop()
    assert.deepEqual(written.order, ['lines', 'progress', 'settle'])
    assert.deepEqual(written.lines, [
      { runId: 'run_1', attempt: 1, at: 1_000, level: 'INFO', message: 'half way', fields: '{"percent":50}' },
    ])
  })

  it('cuts a message at 16 KiB of UTF-8, between two characters', async () => {
    const { store, written } = rememberingStore()
    const { reporter } = reporterOf(store)
    const { log } = reporter.telling(key('run_1'))
    for (const text of ['a', 'é', '漢', '😀']) log('INFO', text.repeat(16_385))
    log('INFO', 'a'.repeat(16_384))
    log('INFO', '漢'.repeat(5_461))
    await reporter.stop()
    const bytes = written.lines.map(({ message }) => Buffer.byteLength(message))
    assert.deepEqual(bytes, [16_384, 16_383, 16_383, 16_383, 16_384, 16_383])
    assert.deepEqual(
      written.lines.map(({ message }) => [message.endsWith('…'), message.isWellFormed(), message.includes('\ufffd')]),
      [true, true, true, true, false, false].map((isCut) => [isCut, true, false]),
    )
  })

  it('replaces in a message what is no text for every database', async () => {
    const { store, written } = rememberingStore()
    const { reporter } = reporterOf(store)
    reporter.telling(key('run_1')).log('INFO', 'nul \0 and half \ud83d')
    await reporter.stop()
    assert.equal(written.lines[0]!.message, 'nul \ufffd and half \ufffd')
  })

  it('tries an outcome again until the database is back', async () => {
    const { store, written } = rememberingStore(2)
    const { reporter, warnings } = reporterOf(store)
    reporter.report(key('run_1'), succeeded)
    await reporter.stop()
    assert.equal(written.settled.length, 1)
    assert.equal(warnings.filter((message) => message.includes('could not be stored')).length, 2)
  })

  it('logs an outcome that came too late, and goes on', async () => {
    const { store } = rememberingStore()
    const { reporter, warnings } = reporterOf(store)
    reporter.report(key('run_stale'), succeeded)
    await reporter.stop()
    assert.equal(warnings.length, 1)
    assert.match(warnings[0]!, /ended by somebody else/)
  })

  it('cuts what is too long, and survives fields that are not JSON', async () => {
    const { store, written } = rememberingStore()
    const { reporter } = reporterOf(store)
    const loop: Record<string, unknown> = {}
    loop.self = loop
    reporter.telling(key('run_1')).log('WARN', 'x'.repeat(100_000), loop)
    await reporter.stop()
    assert.equal(Buffer.byteLength(written.lines[0]!.message), 16 * 1024)
    assert.match(written.lines[0]!.fields!, /not JSON/)
  })

  it('bounds the lines that wait while the database is slow', async () => {
    const { store, written } = rememberingStore()
    const { reporter, warnings } = reporterOf(store)
    const telling = reporter.telling(key('run_1'))
    for (let i = 0; i < 60_000; i++) telling.log('INFO', 'line')
    await reporter.stop()
    assert.equal(written.lines.length, 50_001)
    assert.deepEqual(
      [written.lines[50_000]!.level, written.lines[50_000]!.message],
      ['WARN', '… 10000 lines were lost: they came faster than they could be stored …'],
    )
    assert.ok(warnings.some((message) => message.includes('dropped')))
  })
})
