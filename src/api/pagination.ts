import type { PageKey } from '../engine/store/store.ts'
import { badUserInput } from './errors.ts'

/** Relay's arguments, as they came. */
export interface PageArgs {
  readonly first?: number | null | undefined
  readonly after?: string | null | undefined
  readonly last?: number | null | undefined
  readonly before?: string | null | undefined
}

export interface Order {
  /** Within cursors: a cursor of another order names no place in this one. */
  readonly name: string
  /** What rows are ordered by: text, or a number or nothing. */
  readonly by: 'text' | 'number'
}

/** A list in one order that pages can be cut from. */
export interface Listing<Row> {
  readonly order: Order
  readonly keyOf: (row: Row) => PageKey
  /** Rows strictly between the two keys in the list's order; where there are more than `limit`, the first or (fromEnd) the last of them. */
  readonly read: (bounds: PageBounds) => Promise<readonly Row[]>
  /** All rows of the list, or null above 10,000. A list that is never counted has none. */
  readonly count?: () => Promise<number | null>
}

export interface PageBounds {
  readonly after: PageKey | null
  readonly before: PageKey | null
  readonly fromEnd: boolean
  readonly limit: number
}

const DEFAULT_SIZE = 50
export const MAX_SIZE = 100

/** One page of a list. What was not asked for is not made: edges, cursors and the total cost nothing until they are read. */
export class Page<Row> {
  readonly nodes: readonly Row[]
  readonly #listing: Listing<Row>
  readonly #bounds: PageBounds
  /** The nodes, and the one row beyond them where there is one. */
  readonly #read: readonly Row[]

  constructor(listing: Listing<Row>, bounds: PageBounds, read: readonly Row[]) {
    const size = bounds.limit - 1
    this.nodes = read.length <= size ? read : bounds.fromEnd ? read.slice(read.length - size) : read.slice(0, size)
    this.#listing = listing
    this.#bounds = bounds
    this.#read = read
  }

  get edges(): readonly Edge<Row>[] {
    return this.nodes.map((node) => ({ node, cursor: this.#cursorOf(node) }))
  }

  async pageInfo(): Promise<PageInfo> {
    const first = this.nodes[0]
    const last = this.nodes.at(-1)
    return {
      hasPreviousPage: await this.#hasPrevious(),
      hasNextPage: await this.#hasNext(),
      startCursor: first === undefined ? null : this.#cursorOf(first),
      endCursor: last === undefined ? null : this.#cursorOf(last),
    }
  }

  async totalCount(): Promise<number | null> {
    return this.#listing.count?.() ?? null
  }

  // The row beyond the page answers for the side it lies on. On the other side there can only be something where a cursor cut the
  // list there, and then one row is asked for: what came before the cursor may have been removed since.

  async #hasPrevious(): Promise<boolean> {
    const { after, before, fromEnd } = this.#bounds
    if (fromEnd && this.#read.length > this.nodes.length) return true
    if (after === null) return false
    // Nothing lies between the two cursors: whatever comes before `before` then comes before this page.
    return this.#exists({ after: null, before: this.#keyOf(this.#read[0]) ?? before, fromEnd: true })
  }

  async #hasNext(): Promise<boolean> {
    const { after, before, fromEnd } = this.#bounds
    if (!fromEnd && this.#read.length > this.nodes.length) return true
    if (before === null) return false
    return this.#exists({ after: this.#keyOf(this.#read.at(-1)) ?? after, before: null, fromEnd: false })
  }

  async #exists(bounds: Omit<PageBounds, 'limit'>): Promise<boolean> {
    return (await this.#listing.read({ ...bounds, limit: 1 })).length > 0
  }

  #keyOf(row: Row | undefined): PageKey | null {
    return row === undefined ? null : this.#listing.keyOf(row)
  }

  #cursorOf(row: Row): string {
    return encodeCursor(this.#listing.order.name, this.#listing.keyOf(row))
  }
}

export interface Edge<Row> {
  readonly node: Row
  readonly cursor: string
}

export interface PageInfo {
  readonly hasNextPage: boolean
  readonly hasPreviousPage: boolean
  readonly startCursor: string | null
  readonly endCursor: string | null
}

/**
 * Reads the page that the arguments ask for, of at most `maxSize` rows.
 * @throws BAD_USER_INPUT naming the argument that cannot be answered.
 */
export async function readPage<Row>(listing: Listing<Row>, args: PageArgs, maxSize = MAX_SIZE): Promise<Page<Row>> {
  const bounds = readBounds(args, listing.order, maxSize)
  return new Page(listing, bounds, await listing.read(bounds))
}

/** The limit is one more than the page's size: the row beyond it tells whether the list goes on. */
function readBounds({ first, after, last, before }: PageArgs, order: Order, maxSize: number): PageBounds {
  const forward = readSize('first', first, maxSize)
  const backward = readSize('last', last, maxSize)
  if (forward !== null && backward !== null) throw badUserInput('`first` and `last` are both given; accepted: one of them.')
  return {
    after: readCursor('after', after, order),
    before: readCursor('before', before, order),
    fromEnd: backward !== null,
    limit: (backward ?? forward ?? DEFAULT_SIZE) + 1,
  }
}

function readSize(name: string, size: number | null | undefined, maxSize: number): number | null {
  if (size === null || size === undefined) return null
  if (size < 0 || size > maxSize) throw badUserInput(`\`${name}\` is ${size}; accepted: 0 to ${maxSize}.`)
  return size
}

function readCursor(name: string, cursor: string | null | undefined, order: Order): PageKey | null {
  if (cursor === null || cursor === undefined) return null
  const parts = decodeCursor(cursor)
  if (parts === null) throw badUserInput(`\`${name}\` is no cursor of a list; accepted: a cursor exactly as an edge or pageInfo gave it.`)
  const [orderName, value, id] = parts
  if (orderName !== order.name)
    throw badUserInput(`\`${name}\` is a cursor of another order (${orderName}; this list is in ${order.name}). Begin again without it.`)
  const fits = order.by === 'text' ? typeof value === 'string' : value === null || typeof value === 'number'
  if (!fits) throw badUserInput(`\`${name}\` is no cursor of this list; accepted: a cursor exactly as an edge or pageInfo gave it.`)
  return { value: value as PageKey['value'], id }
}

/** The order, the value that the row was ordered by, and its id. */
function encodeCursor(orderName: string, { value, id }: PageKey): string {
  return Buffer.from(JSON.stringify([orderName, value, id])).toString('base64url')
}

function decodeCursor(cursor: string): readonly [order: string, value: unknown, id: string] | null {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (!Array.isArray(parts) || parts.length !== 3) return null
    const [orderName, value, id] = parts as unknown[]
    return typeof orderName === 'string' && typeof id === 'string' ? [orderName, value, id] : null
  } catch {
    return null
  }
}
