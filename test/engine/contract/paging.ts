import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { PageKey } from '../../../src/engine/store/store.ts'

export type Direction = 'ASC' | 'DESC'

export interface Bounds {
  readonly after: PageKey | null
  readonly before: PageKey | null
  readonly fromEnd: boolean
  readonly limit: number
}

/** The order of a list, in memory: by value, ties by id, nulls last both ways, text by its bytes. */
export function inOrder<T>(rows: readonly T[], keyOf: (row: T) => PageKey, direction: Direction): readonly T[] {
  const sign = direction === 'ASC' ? 1 : -1
  return [...rows].sort((a, b) => {
    const [x, y] = [keyOf(a), keyOf(b)]
    if (x.value === null || y.value === null) return x.value === y.value ? sign * compare(x.id, y.id) : x.value === null ? 1 : -1
    return sign * (compare(x.value, y.value) || compare(x.id, y.id))
  })
}

function compare(a: string | number, b: string | number): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)))
}

/** What a page must hold: the rows between the bounds, the first or the last of them. */
export function pageOf<T>(sorted: readonly T[], keyOf: (row: T) => PageKey, { after, before, fromEnd, limit }: Bounds): readonly T[] {
  const placeOf = (key: PageKey) => sorted.findIndex((row) => keyOf(row).id === key.id)
  const within = sorted.slice(
    after === null ? 0 : placeOf(after) + 1,
    before === null ? sorted.length : Math.max(placeOf(before), after === null ? 0 : placeOf(after) + 1),
  )
  return fromEnd ? within.slice(Math.max(0, within.length - limit)) : within.slice(0, limit)
}

/** Holds a list to the order in memory: single pages with any bounds, and walks over the whole from both ends. */
export async function checkPaging<T>(
  all: readonly T[],
  keyOf: (row: T) => PageKey,
  direction: Direction,
  list: (bounds: Bounds) => Promise<readonly T[]>,
): Promise<void> {
  const sorted = inOrder(all, keyOf, direction)
  const ids = (rows: readonly T[]) => rows.map((row) => keyOf(row).id)
  const key = fc.option(fc.nat({ max: sorted.length - 1 }).map((place) => keyOf(sorted[place]!)))
  const bounds: fc.Arbitrary<Bounds> = fc.record({
    after: key,
    before: key,
    fromEnd: fc.boolean(),
    limit: fc.integer({ min: 1, max: sorted.length + 1 }),
  })
  await fc.assert(
    fc.asyncProperty(bounds, async (asked) => {
      assert.deepEqual(ids(await list(asked)), ids(pageOf(sorted, keyOf, asked)))
    }),
    { numRuns: 60 },
  )
  for (const fromEnd of [false, true]) {
    const walked: T[] = []
    let edge: PageKey | null = null
    for (;;) {
      const page: readonly T[] = await list({ after: fromEnd ? null : edge, before: fromEnd ? edge : null, fromEnd, limit: 7 })
      if (page.length === 0) break
      if (fromEnd) walked.unshift(...page)
      else walked.push(...page)
      edge = keyOf(fromEnd ? page[0]! : page.at(-1)!)
    }
    assert.deepEqual(ids(walked), ids(sorted))
  }
}

/** Holds a filtered list to the order in memory: any filter, any bounds, also bounds of rows that the filter does not let through. */
export async function checkFiltered<T, Filter>(
  all: readonly T[],
  keyOf: (row: T) => PageKey,
  direction: Direction,
  given: { readonly filters: fc.Arbitrary<Filter>; readonly fits: (filter: Filter, row: T) => boolean },
  list: (filter: Filter, bounds: Bounds) => Promise<readonly T[]>,
): Promise<void> {
  const sorted = inOrder(all, keyOf, direction)
  const place = fc.option(fc.nat({ max: sorted.length - 1 }))
  const limit = fc.integer({ min: 1, max: 10 })
  await fc.assert(
    fc.asyncProperty(given.filters, place, place, fc.boolean(), limit, async (filter, from, to, fromEnd, most) => {
      const within = sorted.filter((row, at) => (from === null || at > from) && (to === null || at < to) && given.fits(filter, row))
      const expected = fromEnd ? within.slice(Math.max(0, within.length - most)) : within.slice(0, most)
      const [after, before] = [from, to].map((at) => (at === null ? null : keyOf(sorted[at]!)))
      const listed = await list(filter, { after: after!, before: before!, fromEnd, limit: most })
      assert.deepEqual(
        listed.map((row) => keyOf(row).id),
        expected.map((row) => keyOf(row).id),
      )
    }),
    { numRuns: 60 },
  )
}
