import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MEAN_YEAR, NEARBY, REPEATING_SINCE, zoneOf } from '../../src/domain/zone/zone.ts'
import { zoneNameProblem } from '../../src/domain/zone/zoneName.ts'
import { clockOf } from './cronOracle.ts'
import { at } from './scheduleFixtures.ts'

const DAY = 86_400_000
const ALL = Intl.supportedValuesOf('timeZone')

/** Pseudo-random and the same in every run. */
function spread(index: number, low: number, high: number): number {
  const fraction = (index * 0.6180339887498949) % 1
  return low + Math.floor((fraction * (high - low)) / 1_000) * 1_000
}

describe('a zone', () => {
  it('has the offsets that Intl shows, in every zone, in our time, long ago and far ahead', () => {
    for (const [index, name] of ALL.entries()) {
      const clock = clockOf(name)
      const zone = zoneOf(name)
      for (const instant of [
        spread(index, at('1830-01-01T00:00Z'), at('2100-01-01T00:00Z')),
        spread(index, at('2100-01-01T00:00Z'), at('9999-12-01T00:00Z')),
      ]) {
        assert.equal(zone.stretchAt(instant).offset, clock(instant) - instant, `${name} at ${new Date(instant).toISOString()}`)
      }
    }
  })

  it('is made of stretches that follow each other, with the changes that Intl shows between them', () => {
    for (const name of ['America/New_York', 'Australia/Lord_Howe', 'Africa/Casablanca', 'Pacific/Apia', 'America/Boa_Vista', 'Asia/Gaza']) {
      const clock = clockOf(name)
      const zone = zoneOf(name)
      let changes = 0
      for (let start = at('1990-01-01T00:00Z'); start < at('2040-01-01T00:00Z'); ) {
        const stretch = zone.stretchAt(start)
        const following = zone.stretchAt(stretch.end)
        assert.ok(stretch.start <= start && start < stretch.end)
        assert.equal(following.start, stretch.end)
        assert.equal(stretch.offset, clock(stretch.start) - stretch.start)
        assert.equal(stretch.offset, clock(stretch.end - 1_000) - (stretch.end - 1_000))
        assert.equal(stretch.left?.at === stretch.end, stretch.offset !== following.offset)
        assert.equal(following.entered?.at === stretch.end, stretch.offset !== following.offset)
        if (stretch.left?.at === stretch.end) {
          assert.deepEqual(stretch.left, { at: stretch.end, before: stretch.offset, after: following.offset })
          assert.deepEqual(following.entered, stretch.left)
          changes++
        }
        start = stretch.end
      }
      assert.ok(changes > 0, name)
    }
  })

  it('never had two changes within the distance of two samples, nor one of more than a day', () => {
    // The nearest changes of all since 1946 were those of Boa Vista and others in October 2000.
    for (const name of ALL) {
      const zone = zoneOf(name)
      let last = Number.NEGATIVE_INFINITY
      for (let start = at('2000-01-02T00:00Z'); start < at('2001-06-01T00:00Z'); start = zone.stretchAt(start).end) {
        const { end, left } = zone.stretchAt(start)
        if (left?.at !== end) continue
        assert.ok(left.at - last > 2 * NEARBY, `${name} at ${new Date(left.at).toISOString()}`)
        assert.ok(Math.abs(left.after - left.before) <= DAY)
        last = left.at
      }
    }
  })

  it('had no change before 1800', () => {
    for (const name of ALL) {
      const clock = clockOf(name)
      assert.equal(clock(at('1800-01-03T00:00Z')) - at('1800-01-03T00:00Z'), clock(at('1000-01-01T00:00Z')) - at('1000-01-01T00:00Z'), name)
      assert.equal(zoneOf(name).stretchAt(at('0000-01-02T00:00Z')).offset, clock(at('1000-01-01T00:00Z')) - at('1000-01-01T00:00Z'), name)
    }
  })

  it('repeats every 400 years once the rules are those of the calendar alone', () => {
    for (const name of [
      'America/New_York',
      'Europe/Berlin',
      'Australia/Lord_Howe',
      'America/Santiago',
      'Africa/Cairo',
      'Africa/Casablanca',
    ]) {
      const clock = clockOf(name)
      const zone = zoneOf(name)
      for (let index = 0; index < 60; index++) {
        const instant = spread(index, REPEATING_SINCE, REPEATING_SINCE + 400 * MEAN_YEAR)
        const offset = clock(instant) - instant
        const later = instant + 400 * MEAN_YEAR * (1 + (index % 18))
        assert.equal(clock(later) - later, offset)
        assert.equal(zone.stretchAt(instant).offset, offset)
        assert.equal(zone.stretchAt(later).offset, offset)
        assert.ok(zone.stretchAt(later).start <= later && later < zone.stretchAt(later).end)
      }
    }
  })

  it('is the same object for every spelling of its name', () => {
    assert.equal(zoneOf('europe/berlin'), zoneOf('Europe/Berlin'))
  })

  it('is refused where it is unknown', () => {
    assert.throws(() => zoneOf('Europe/Atlantis'), RangeError)
  })
})

describe('the name of a time zone', () => {
  it('is accepted where it is an IANA name of the form Area/Place, or UTC or GMT', () => {
    for (const name of ALL) assert.equal(zoneNameProblem(name), null, name)
    for (const name of [
      'UTC',
      'GMT',
      'Etc/UTC',
      'Etc/GMT+5',
      'US/Eastern',
      'Asia/Katmandu',
      'Asia/Kathmandu',
      'America/Argentina/Buenos_Aires',
    ]) {
      assert.equal(zoneNameProblem(name), null, name)
    }
    for (const name of ['europe/berlin', 'America/Port-au-Prince', 'utc']) assert.equal(zoneNameProblem(name), null, name)
  })

  it('is refused where it is an offset', () => {
    for (const name of ['+02:00', '-0500', '+5', 'UTC+2', 'GMT-5', 'GMT+0', 'Z', '+00:00']) {
      assert.match(zoneNameProblem(name) ?? '', /is an offset.*accepted are IANA names such as Europe\/Berlin/, name)
    }
  })

  it('is refused where it is an abbreviation, a country or a rule', () => {
    for (const name of [
      'EST',
      'MST',
      'HST',
      'CET',
      'EET',
      'WET',
      'PST',
      'IST',
      'BST',
      'EST5EDT',
      'PST8PDT',
      'Japan',
      'Zulu',
      'GMT0',
      'local',
      'SystemV/EST5EDT',
    ]) {
      assert.match(zoneNameProblem(name) ?? '', /is not an IANA name of the form Area\/Place; accepted are/, name)
    }
  })

  it('is refused where it is unknown or no name at all', () => {
    for (const name of [
      'Mars/Phobos',
      'Europe/Atlantis',
      'America/New York',
      'Europe/',
      '/Berlin',
      '',
      ' ',
      ' UTC',
      'UTC ',
      'Europe/Berlin\n',
      '../etc/passwd',
    ]) {
      assert.notEqual(zoneNameProblem(name), null, JSON.stringify(name))
    }
    assert.match(zoneNameProblem('Mars/Phobos') ?? '', /"Mars\/Phobos" is not a known time zone/)
    assert.ok((zoneNameProblem('x'.repeat(100_000)) ?? '').length < 400)
  })
})
