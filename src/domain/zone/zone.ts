import { DAY, type Instant, type Milliseconds, SECOND } from '../instant.ts'
import { type OffsetAt, offsetReader } from './offset.ts'

/** A moment at which a zone's clocks are set: forward where `after` is greater, leaving a gap, else back, making a fold. */
export interface ClockChange {
  readonly at: Instant
  /** Offsets are local time minus UTC, in milliseconds. */
  readonly before: Milliseconds
  readonly after: Milliseconds
}

/** A stretch of time, `start` inclusive and `end` exclusive, without a clock change inside. */
export interface Stretch {
  readonly start: Instant
  readonly end: Instant
  readonly offset: Milliseconds
  /** The last change at or before `start`, if it is less than `NEARBY` before. */
  readonly entered: ClockChange | null
  /** The first change at or after `end`, if it is less than `NEARBY` after. */
  readonly left: ClockChange | null
}

export interface Zone {
  /** The stretch that an instant lies in. All stretches together cover time without overlap; some borders are no clock change. */
  stretchAt(instant: Instant): Stretch
}

// Offsets are asked of Intl in pieces of one mean Gregorian year, each on its own, so that a far date costs no more than a near one.
// Three facts of the time zone database make this whole. They were checked for all zones and years; test/domain/zone.test.ts holds samples.
// - no two changes of a zone were ever less than 3 days apart, so samples that far apart miss none, and a change moves a clock by 24 hours
//   at most, so that whatever a change skips or repeats lies within NEARBY of it;
// - no zone had a change before 1800;
// - from 2100 on every zone follows rules of the year's calendar alone, so the pieces repeat after 400 years, as the calendar does.

export const NEARBY: Milliseconds = 3 * DAY

/** The mean Gregorian year: 400 of them are 146,097 days, after which dates and weekdays repeat. */
export const MEAN_YEAR: Milliseconds = 365.2425 * DAY

const FIRST_PIECE = -170
const REPEATING_FROM = 130
const PIECES_IN_CYCLE = 400

/** Every zone repeats itself, with the kinds of years, from here on. */
export const REPEATING_SINCE: Instant = REPEATING_FROM * MEAN_YEAR

const zones = new Map<string, Zone>()

/** Of all zones together: some 10 MB, far more than the zones in use come to. */
const MOST_PIECES = 20_000
const knownPieces: Map<number, readonly Stretch[]>[] = []
let piecesKnown = 0

/** A zone by its IANA name, in any case. What is found out of its changes is kept. Throws RangeError where there is no such zone. */
export function zoneOf(name: string): Zone {
  const key = name.toLowerCase()
  const known = zones.get(key)
  if (known !== undefined) return known
  offsetReader(name) // throws where the name is unknown
  const zone = makeZone(name)
  zones.set(key, zone)
  return zone
}

function makeZone(name: string): Zone {
  const pieces = new Map<number, readonly Stretch[]>()
  knownPieces.push(pieces)
  return {
    stretchAt(instant) {
      const index = Math.floor(instant / MEAN_YEAR)
      const source = sourceOf(index)
      let piece = pieces.get(source)
      if (piece === undefined) {
        piece = readPiece(source, offsetReader(name))
        makeRoom()
        pieces.set(source, piece)
      }
      const shift = (index - source) * MEAN_YEAR
      const stretch = stretchIn(piece, instant - shift)
      return shift === 0 ? stretch : shifted(stretch, shift)
    },
  }
}

function makeRoom(): void {
  if (piecesKnown === MOST_PIECES) {
    for (const pieces of knownPieces) pieces.clear()
    piecesKnown = 0
  }
  piecesKnown++
}

/** The piece that another repeats. */
function sourceOf(index: number): number {
  if (index < FIRST_PIECE) return FIRST_PIECE
  return index < REPEATING_FROM ? index : REPEATING_FROM + ((index - REPEATING_FROM) % PIECES_IN_CYCLE)
}

function stretchIn(piece: readonly Stretch[], instant: Instant): Stretch {
  let position = 0
  while (instant >= (piece[position] as Stretch).end) position++
  return piece[position] as Stretch
}

function shifted(stretch: Stretch, shift: Milliseconds): Stretch {
  const move = (change: ClockChange | null) => change && { ...change, at: change.at + shift }
  return { ...stretch, start: stretch.start + shift, end: stretch.end + shift, entered: move(stretch.entered), left: move(stretch.left) }
}

function readPiece(index: number, offsetAt: OffsetAt): readonly Stretch[] {
  const start = index * MEAN_YEAR
  const end = start + MEAN_YEAR
  const changes = changesBetween(start - NEARBY, end + NEARBY, offsetAt)
  const inside = changes.filter((change) => change.at > start && change.at < end)
  const borders = [start, ...inside.map((change) => change.at), end]
  return borders.slice(1).map((until, position) => {
    const since = borders[position] as Instant
    return {
      start: since,
      end: until,
      offset: changes.findLast((change) => change.at <= since)?.after ?? changes[0]?.before ?? offsetAt(since),
      entered: changes.findLast((change) => change.at <= since && since - change.at < NEARBY) ?? null,
      left: changes.find((change) => change.at >= until && change.at - until < NEARBY) ?? null,
    }
  })
}

/** The changes in (from, to], by samples and then by halving. Changes fall on whole seconds. */
function changesBetween(from: Instant, to: Instant, offsetAt: OffsetAt): readonly ClockChange[] {
  const changes: ClockChange[] = []
  let earlier = from
  let before = offsetAt(earlier)
  while (earlier < to) {
    const later = Math.min(earlier + NEARBY, to)
    const after = offsetAt(later)
    if (after !== before) changes.push({ at: firstWith(after, earlier, later, offsetAt), before, after })
    earlier = later
    before = after
  }
  return changes
}

function firstWith(offset: Milliseconds, from: Instant, to: Instant, offsetAt: OffsetAt): Instant {
  let without = Math.floor(from / SECOND)
  let having = Math.ceil(to / SECOND)
  while (having - without > 1) {
    const middle = Math.floor((without + having) / 2)
    if (offsetAt(middle * SECOND) === offset) having = middle
    else without = middle
  }
  return having * SECOND
}
