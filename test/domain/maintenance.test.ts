import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DAY } from '../../src/domain/instant.ts'
import type { Pause } from '../../src/domain/job.ts'
import { pauseFrom, resumeAt, standingPause } from '../../src/domain/maintenance.ts'
import { NOON } from './fixtures.ts'

const pause = (since: number, until: number | null, note = 'disks'): Pause => ({ since, until, note, by: 'ada' })
const asked = { note: 'network', until: NOON + 50, by: 'bob' }

describe('a pause of the whole scheduling', () => {
  it('stands from its beginning until just before its end', () => {
    const pauses = [pause(NOON - 100, NOON - 50), pause(NOON, NOON + 10)]
    assert.equal(standingPause(pauses, NOON + 9)?.since, NOON)
    assert.equal(standingPause(pauses, NOON + 10), null)
    assert.equal(standingPause([pause(NOON, null)], NOON + DAY)?.since, NOON)
    assert.equal(standingPause([], NOON), null)
  })

  it('begins now, or goes on from the one that stands', () => {
    const table: [string, Pause | null, number][] = [
      ['none', null, NOON],
      ['one that was resumed', pause(NOON - 20, NOON - 10), NOON],
      ['one that has just ended by itself', pause(NOON - 20, NOON), NOON],
      ['one with an end ahead', pause(NOON - 20, NOON + 10), NOON - 20],
      ['one without an end', pause(NOON - 20, null), NOON - 20],
    ]
    for (const [name, newest, since] of table) assert.deepEqual(pauseFrom(newest, asked, NOON).pause, { ...asked, since }, name)
  })

  it('is ended by a resumption, which does nothing where none stands', () => {
    assert.deepEqual(resumeAt(pause(NOON - 20, null), NOON)?.pause, pause(NOON - 20, NOON))
    assert.deepEqual(resumeAt(pause(NOON - 20, NOON + 5), NOON)?.pause, pause(NOON - 20, NOON))
    assert.equal(resumeAt(pause(NOON - 20, NOON), NOON), null)
    assert.equal(resumeAt(null, NOON), null)
  })

  it('is kept as long as the ledger', () => {
    assert.equal(pauseFrom(null, asked, NOON).forgetBefore, NOON - 400 * DAY)
    assert.equal(resumeAt(pause(NOON, null), NOON)?.forgetBefore, NOON - 400 * DAY)
  })
})
