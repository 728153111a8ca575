import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Batcher } from '../../src/engine/store/postgres/batcher.ts'
import { SharedReads } from '../../src/engine/store/postgres/sharedReads.ts'

/** Reads that end by hand; `sent` names those that have begun, in order. */
function byHand(lanes: number) {
  const shared = new SharedReads(lanes)
  const sent: string[] = []
  const ends: PromiseWithResolvers<string>[] = []
  const ask = (question: string) =>
    shared.read(question, () => {
      sent.push(question)
      const end = Promise.withResolvers<string>()
      ends.push(end)
      return end.promise
    })
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
  return { sent, ends, ask, turn }
}

describe('reads that are asked for alike at once', () => {
  it('are sent once, after all who share the answer have asked', async () => {
    const { sent, ends, ask, turn } = byHand(2)
    const early = [ask('a'), ask('b'), ask('a')]
    assert.deepEqual(sent, [])
    await turn()
    assert.deepEqual(sent, ['a', 'b'])
    // What is under way may not show what was committed since: whoever asks now waits for another.
    const late = [ask('a'), ask('a'), ask('c')]
    await turn()
    assert.deepEqual(sent, ['a', 'b'])
    ends[0]!.resolve('first')
    assert.deepEqual(await Promise.all([early[0], early[2]]), ['first', 'first'])
    await turn()
    assert.deepEqual(sent, ['a', 'b', 'a'])
    ends[1]!.resolve('other')
    ends[2]!.resolve('second')
    assert.deepEqual(await Promise.all([early[1], late[0], late[1]]), ['other', 'second', 'second'])
    await turn()
    ends[3]!.resolve('third')
    assert.equal(await late[2], 'third')
  })

  it('fail together, and hold up nobody else', async () => {
    const { ends, ask, turn } = byHand(1)
    const failing = [ask('a'), ask('a')]
    const next = ask('b')
    await turn()
    ends[0]!.reject(new Error('away'))
    for (const each of failing) await assert.rejects(each, /away/)
    await turn()
    ends[1]!.resolve('went on')
    assert.equal(await next, 'went on')
  })

  it('throw to those who asked, and keep no lane', async () => {
    const shared = new SharedReads(1)
    const failing = () => {
      throw new Error('at once')
    }
    await assert.rejects(shared.read('a', failing), /at once/)
    assert.equal(await shared.read('b', async () => 'went on'), 'went on')
  })

  it('wait no longer for their turn than a statement may take', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { sent, ends, ask, turn } = byHand(1)
    const under = ask('a')
    await turn()
    const waiting = [ask('b'), ask('b')]
    t.mock.timers.tick(30_000)
    for (const each of waiting) await assert.rejects(each, { code: 'UNAVAILABLE' })
    ends[0]!.resolve('late')
    assert.equal(await under, 'late')
    await turn()
    assert.deepEqual(sent, ['a'])
  })
})

describe('calls that share transactions', () => {
  it('wait no longer for their turn than a statement may take, and are not performed when they were given up', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const performed: (readonly string[])[] = []
    const end = Promise.withResolvers<void>()
    const batcher = new Batcher<string, string>({
      most: 10,
      lanes: 1,
      async perform(calls) {
        performed.push(calls)
        await end.promise
        return calls
      },
    })
    const under = batcher.add('a')
    await new Promise<void>((resolve) => setImmediate(resolve))
    const early = batcher.add('b')
    t.mock.timers.tick(20_000)
    const late = batcher.add('c')
    t.mock.timers.tick(10_000)
    await assert.rejects(early, { code: 'UNAVAILABLE' })
    end.resolve()
    assert.deepEqual(await Promise.all([under, late]), ['a', 'c'])
    assert.deepEqual(performed, [['a'], ['c']])
  })
})
