import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DatabaseClock } from '../../src/engine/databaseClock.ts'

const MINUTE = 60_000

describe('the clock of the database', () => {
  it('is the machine’s before it is measured, and where the two agree', async () => {
    const clock = new DatabaseClock()
    assert.equal(clock.skew(), null)
    assert.ok(Math.abs(clock.now() - Date.now()) <= 1)
    await clock.measure(async () => Date.now() + 0.5)
    assert.ok(Math.abs(clock.skew()!) <= 2)
    const before = Date.now()
    const now = clock.now()
    assert.ok(before <= now && now <= Date.now())
  })

  it('tells the time of the database, for instants and for leases, and how far the machine is ahead', async () => {
    const clock = new DatabaseClock()
    await clock.measure(async () => Date.now() - 10 * MINUTE)
    assert.ok(Math.abs(clock.now() - (Date.now() - 10 * MINUTE)) <= 5)
    assert.ok(Math.abs(clock.leaseNow() - (Date.now() - 10 * MINUTE)) <= 20)
    assert.ok(Math.abs(clock.skew()! - 10 * MINUTE) <= 5)
  })

  it('keeps the surest measurement: one that took long says less', async () => {
    const clock = new DatabaseClock()
    await clock.measure(async () => Date.now() + MINUTE)
    const slow = new Promise<number>((resolve) => setTimeout(() => resolve(Date.now() + MINUTE), 60))
    await clock.measure(() => slow)
    // The middle of the way would be thirty milliseconds off.
    assert.ok(Math.abs(clock.now() - Date.now() - MINUTE) <= 5)
  })

  it('follows a clock that was set, whatever it knew', async () => {
    const clock = new DatabaseClock()
    await clock.measure(async () => Date.now())
    await clock.measure(async () => Date.now() + MINUTE)
    assert.ok(Math.abs(clock.now() - Date.now() - MINUTE) <= 5)
  })
})
