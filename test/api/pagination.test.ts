import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GraphQLError } from 'graphql'
import { type Listing, type Page, type PageArgs, type PageBounds, type PageInfo, readPage } from '../../src/api/pagination.ts'
import type { PageKey } from '../../src/engine/store/store.ts'

interface Row {
  readonly id: string
  readonly at: number | null
}

/** The port's contract for lists, in memory: nulls last, ties by id. */
function listing(rows: readonly Row[]): Listing<Row> & { readonly reads: PageBounds[] } {
  const sorted = [...rows].sort((a, b) => compare(keyOf(a), keyOf(b)))
  const reads: PageBounds[] = []
  return {
    order: { name: 'AT.ASC', by: 'number' },
    keyOf,
    async read(bounds) {
      reads.push(bounds)
      const between = sorted.filter(
        (row) =>
          (bounds.after === null || compare(keyOf(row), bounds.after) > 0) &&
          (bounds.before === null || compare(keyOf(row), bounds.before) < 0),
      )
      return bounds.fromEnd ? between.slice(Math.max(0, between.length - bounds.limit)) : between.slice(0, bounds.limit)
    },
    count: async () => rows.length,
    reads,
  }
}

function keyOf({ at, id }: Row): PageKey {
  return { value: at, id }
}

function compare(a: PageKey, b: PageKey): number {
  const [left, right] = [a.value ?? Number.POSITIVE_INFINITY, b.value ?? Number.POSITIVE_INFINITY]
  return left < right ? -1 : left > right ? 1 : a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}

const someRows = fc.uniqueArray(fc.record({ id: fc.stringMatching(/^[a-z]{1,3}$/), at: fc.option(fc.integer({ min: 0, max: 5 })) }), {
  selector: (row) => row.id,
  maxLength: 12,
})
const size = fc.integer({ min: 0, max: 6 })

async function inOrder(rows: readonly Row[]): Promise<readonly Row[]> {
  return (await readPage(listing(rows), { first: 100 })).nodes
}

function cursorsOf(rows: readonly Row[]): Promise<readonly string[]> {
  return readPage(listing(rows), { first: 100 }).then((page) => page.edges.map((edge) => edge.cursor))
}

test('pages taken forward are the list, and so are pages taken backward', async () => {
  await fc.assert(
    fc.asyncProperty(someRows, fc.integer({ min: 1, max: 5 }), async (rows, step) => {
      const all = await inOrder(rows)
      const walk = async (next: (cursor: string | null) => PageArgs, forward: boolean): Promise<Row[]> => {
        const found: Row[] = []
        for (let cursor: string | null = null; ; ) {
          const page: Page<Row> = await readPage(listing(rows), next(cursor))
          const info: PageInfo = await page.pageInfo()
          if (forward) found.push(...page.nodes)
          else found.unshift(...page.nodes)
          if (!(forward ? info.hasNextPage : info.hasPreviousPage)) return found
          cursor = forward ? info.endCursor : info.startCursor
        }
      }
      assert.deepEqual(await walk((after) => ({ first: step, after }), true), all)
      assert.deepEqual(await walk((before) => ({ last: step, before }), false), all)
    }),
  )
})

test('pageInfo says what lies on both sides, whatever cuts the page', async () => {
  await fc.assert(
    fc.asyncProperty(someRows, size, fc.boolean(), fc.nat(), fc.nat(), async (rows, count, backward, from, to) => {
      const all = await inOrder(rows)
      const cursors = await cursorsOf(rows)
      const after = from % (cursors.length + 1)
      const before = to % (cursors.length + 1)
      // Position 0 and beyond the end stand for "not given".
      const args = {
        ...(backward ? { last: count } : { first: count }),
        after: after === 0 ? null : cursors[after - 1]!,
        before: before === 0 ? null : cursors[before - 1]!,
      }
      const [start, end] = [after, before === 0 ? all.length : before - 1]
      fc.pre(start <= end)
      const [low, high] = backward ? [Math.max(start, end - count), end] : [start, Math.min(end, start + count)]

      const page = await readPage(listing(rows), args)
      assert.deepEqual(page.nodes, all.slice(low, high))
      assert.deepEqual(await page.pageInfo(), {
        hasPreviousPage: low > 0,
        hasNextPage: high < all.length,
        startCursor: high > low ? cursors[low] : null,
        endCursor: high > low ? cursors[high - 1] : null,
      })
    }),
    { numRuns: 500 },
  )
})

test('a row that goes between two pages costs no other row', async () => {
  const rows = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, at: 1 }))
  const { endCursor } = await (await readPage(listing(rows), { first: 2 })).pageInfo()
  const rest = await readPage(listing(rows.filter((row) => row.id !== 'b')), { first: 2, after: endCursor })
  assert.deepEqual(
    rest.nodes.map((row) => row.id),
    ['c', 'd'],
  )
  assert.equal((await rest.pageInfo()).hasPreviousPage, true, 'a is still before it')
})

test('only what is asked for is read', async () => {
  const list = listing([
    { id: 'a', at: 1 },
    { id: 'b', at: 2 },
  ])
  const page = await readPage(list, { first: 1 })
  assert.equal(list.reads.length, 1)
  await page.pageInfo()
  assert.equal(list.reads.length, 1, 'without a cursor nothing can lie before the first page')
})

test('a page has 50 rows unless asked otherwise', async () => {
  const list = listing([])
  await readPage(list, {})
  assert.equal(list.reads[0]!.limit, 51)
})

test('what no page can be cut by is refused, naming the argument', async () => {
  const cursor = (await cursorsOf([{ id: 'a', at: 1 }]))[0]!
  const forge = (parts: unknown) => Buffer.from(JSON.stringify(parts)).toString('base64url')
  const cases: readonly (readonly [PageArgs, RegExp])[] = [
    [{ first: 101 }, /^`first` is 101; accepted: 0 to 100/],
    [{ last: 101 }, /^`last` is 101/],
    [{ first: -1 }, /^`first` is -1/],
    [{ last: -1 }, /^`last` is -1/],
    [{ first: 1, last: 1 }, /^`first` and `last` are both given/],
    [{ after: 'no cursor' }, /^`after` is no cursor/],
    [{ before: '' }, /^`before` is no cursor/],
    [{ after: forge(['AT.DESC', 1, 'a']) }, /^`after` is a cursor of another order/],
    [{ after: forge(['AT.ASC', 'text', 'a']) }, /^`after` is no cursor/],
    [{ after: forge(['AT.ASC', { at: 1 }, 'a']) }, /^`after` is no cursor/],
    [{ after: forge(['AT.ASC', 1, 5]) }, /^`after` is no cursor/],
    [{ after: forge({ length: 3 }) }, /^`after` is no cursor/],
  ]
  for (const [args, message] of cases) {
    await assert.rejects(
      readPage(listing([]), args),
      (error) => error instanceof GraphQLError && error.extensions.code === 'BAD_USER_INPUT' && message.test(error.message),
      JSON.stringify(args),
    )
  }
  await assert.doesNotReject(readPage(listing([]), { after: cursor }))
})
