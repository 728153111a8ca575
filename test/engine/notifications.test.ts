import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Hint } from '../../src/engine/bus/bus.ts'
import { Gathered, notificationsOf, readNotification } from '../../src/engine/bus/notifications.ts'

function gathered(...hints: readonly Hint[]): readonly Hint[] {
  const all = new Gathered()
  for (const hint of hints) all.add(hint)
  return all.take()
}

const ids = (count: number, text: string) => Array.from({ length: count }, (_, i) => `${text}_${i}`)

describe('hints for other processes', () => {
  it('say in one what many said: the highest position, the earliest instant, all runs once', () => {
    assert.deepEqual(
      gathered(
        { kind: 'changes', upTo: 7 },
        { kind: 'jobs', wakeAt: 500 },
        { kind: 'cancels', runIds: ['a', 'b'] },
        { kind: 'changes', upTo: 5 },
        { kind: 'runs' },
        { kind: 'jobs', wakeAt: 400 },
        { kind: 'jobs', wakeAt: null },
        { kind: 'logs', runIds: ['c'] },
        { kind: 'cancels', runIds: ['b', 'c'] },
        { kind: 'runs' },
        { kind: 'logs', runIds: ['c', 'd'] },
      ),
      [
        { kind: 'changes', upTo: 7 },
        { kind: 'jobs', wakeAt: 400 },
        { kind: 'runs' },
        { kind: 'cancels', runIds: ['a', 'b', 'c'] },
        { kind: 'logs', runIds: ['c', 'd'] },
      ],
    )
    assert.deepEqual(gathered(), [])
    const some = new Gathered()
    assert.equal(some.isEmpty, true)
    some.add({ kind: 'logs', runIds: null })
    assert.equal(some.isEmpty, false)
    some.take()
    assert.equal(some.isEmpty, true)
    assert.deepEqual(gathered({ kind: 'jobs', wakeAt: null }), [{ kind: 'jobs', wakeAt: null }])
    assert.deepEqual(gathered({ kind: 'changes', upTo: null }, { kind: 'changes', upTo: 3 }), [{ kind: 'changes', upTo: 3 }])
  })

  it('are taken once', () => {
    const all = new Gathered()
    all.add({ kind: 'runs' })
    all.add({ kind: 'logs', runIds: null })
    assert.equal(all.take().length, 2)
    assert.deepEqual(all.take(), [])
  })

  it('name no runs with new lines where there are very many, and every run to cancel', () => {
    const [logs] = gathered({ kind: 'logs', runIds: ids(400, 'a') }, { kind: 'logs', runIds: ids(400, 'b') })
    assert.deepEqual(logs, { kind: 'logs', runIds: null })
    const cancels = gathered({ kind: 'cancels', runIds: ids(2_000, 'a') })
    const texts = notificationsOf('ins_1', [...cancels, { kind: 'runs' }])
    assert.ok(texts.length > 1)
    for (const text of texts) assert.ok(Buffer.byteLength(text) < 8_000)
    const read = texts.flatMap((text) => readNotification(text)!.hints)
    assert.deepEqual(
      read.flatMap((hint) => (hint.kind === 'cancels' ? hint.runIds : [])),
      ids(2_000, 'a'),
    )
    assert.deepEqual(
      read.filter(({ kind }) => kind !== 'cancels'),
      [{ kind: 'runs' }],
    )
  })

  it('are as long as bytes count, not letters', () => {
    for (const text of notificationsOf('ins_1', [{ kind: 'logs', runIds: ids(400, 'ünïcödé'.repeat(5)) }]))
      assert.ok(Buffer.byteLength(text) < 8_000)
  })

  it('are left alone where they are nothing that this version knows', () => {
    for (const text of ['', '{', '7', 'null', '{}', '{"from":"ins_1"}', '{"hints":[]}']) assert.equal(readNotification(text), null)
  })
})
