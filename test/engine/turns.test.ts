import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Pace, Turns } from '../../src/engine/store/sqlite/turns.ts'

/** Keeps the loop busy. */
function work(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

describe('turns of the loop', () => {
  it('hold a few slices each, however many readers there are', async () => {
    const turns = new Turns()
    let sinceTurn = 0
    let most = 0
    let going = true
    const watch = () => {
      most = Math.max(most, sinceTurn)
      sinceTurn = 0
      if (going) setImmediate(watch)
    }
    watch()
    const reader = async () => {
      for (let i = 0; i < 3; i++) {
        await turns.take(() => {
          work(2)
          sinceTurn++
        })
      }
    }
    await Promise.all(Array.from({ length: 30 }, reader))
    going = false
    assert.ok(most >= 1 && most <= 3, `${most} slices of 2 ms in one turn`)
  })

  it('come in the order in which they were asked for, and answer what the slice answered or threw', async () => {
    const turns = new Turns()
    const order: number[] = []
    const slices = [1, 2, 3].map((n) => turns.take(() => order.push(n)))
    const failing = turns.take(() => {
      throw new Error('broken')
    })
    assert.deepEqual(order, [])
    await assert.rejects(failing, /broken/)
    assert.deepEqual(
      [await Promise.all(slices), order],
      [
        [1, 2, 3],
        [1, 2, 3],
      ],
    )
    assert.equal(await turns.take(() => 'again'), 'again')
  })
})

describe('the pace of slices', () => {
  it('grows while rows are quick, and shrinks at once where they are slow', () => {
    const pace = new Pace()
    const first = pace.rows
    assert.equal(
      pace.measure(() => 'answer'),
      'answer',
    )
    assert.equal(pace.rows, 4 * first)
    pace.measure(() => work(60))
    assert.ok(pace.rows < first, `${pace.rows}`)
    for (let i = 0; i < 20; i++) pace.measure(() => {})
    const largest = pace.rows
    pace.measure(() => {})
    assert.equal(pace.rows, largest)
  })
})
