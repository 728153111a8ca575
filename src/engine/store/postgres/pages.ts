import { allOf, COUNTED_UP_TO, compare, type Condition, type OrderOf, type Paging, stretches, type Value } from '../paging.ts'
import { instantText, storable } from './columns.ts'
import type { Session } from './database.ts'

/** What a list is read from. */
export interface Source {
  readonly columns: string
  readonly from: string
  /** What every list of its kind asks for. */
  readonly always: readonly Condition[]
  readonly order: OrderOf
  /** A column of a joined table that equals the id it is ordered by. Postgres would read that table from its beginning if not told where to. */
  readonly twin?: string
}

/** So many rows are asked for, the least of these that will do: pages of all sizes then share a few statements. */
const LIMITS = [1, 2, 6, 11, 21, 26, 51, 101, 1_001]

/** One page, in the list's own order. With filters it is planned for their values: how rare they are decides where to begin. */
export async function readPage<Row>(session: Session, source: Source, filters: readonly Condition[], paging: Paging): Promise<Row[]> {
  const { columns, from, always, order, twin } = source
  if ([...always, ...filters].some(isImpossible)) return []
  const ascending = (paging.direction === 'ASC') !== paging.fromEnd
  const ordered = keysInOrder(order, ascending ? 'ASC' : 'DESC')
  const rows: Row[] = []
  for (const { keys, within, start, end } of stretches(order, paging)) {
    const missing = paging.limit - rows.length
    const bounds = (twin === undefined ? [keys] : [keys, [twin]]).flatMap((each) => [
      ...(start === null ? [] : [compare(each, ascending ? '>' : '<', start.map(asBound))]),
      ...(end === null ? [] : [compare(each, ascending ? '<' : '>', end.map(asBound))]),
    ])
    const { sql, values } = allOf([...always, ...within, ...bounds, ...filters])
    const limit = LIMITS.find((each) => each >= missing) ?? missing
    const text = numbered(`SELECT ${columns} FROM ${from}${sql} ORDER BY ${ordered} LIMIT ${limit}`)
    const found = await (filters.length === 0 ? session.rows<Row>(text, values) : session.rowsOnce<Row>(text, values))
    rows.push(...(found.length > missing ? found.slice(0, missing) : found))
    if (rows.length >= paging.limit) break
  }
  return paging.fromEnd ? rows.reverse() : rows
}

/** How many rows match; null above COUNTED_UP_TO. */
export async function countRows(session: Session, from: string, filters: readonly Condition[]): Promise<number | null> {
  if (filters.some(isImpossible)) return 0
  const { sql, values } = allOf(filters)
  const text = numbered(`SELECT count(*) AS n FROM (SELECT 1 FROM ${from}${sql} LIMIT ${COUNTED_UP_TO + 1}) counted`)
  const [row] = await session.rowsOnce<{ n: number }>(text, values)
  return row!.n > COUNTED_UP_TO ? null : row!.n
}

/**
 * The columns of the index, also where all rows of a stretch have the same value, none: Postgres takes the order from the index only if
 * it is asked for it by name.
 */
function keysInOrder({ value, id, kind }: OrderOf, direction: string): string {
  const keys = kind === 'unique' ? [value] : kind === 'id-only' ? [id] : [value, id]
  return keys.map((key) => `${key} ${direction}`).join(', ')
}

/**
 * Values that lists are ordered by are instants where there are two. Cursors come from clients: whatever they say is a place in the list,
 * be it at its end.
 */
function asBound(value: Value, place: number, all: readonly Value[]): Value {
  if (place === 0 && all.length === 2) {
    return typeof value === 'number' ? instantText(Math.max(EARLIEST, Math.min(value, LATEST))) : '-infinity'
  }
  return String(value).replaceAll('\0', '')
}

/** What a Date can say, and Postgres too. */
const EARLIEST = Date.UTC(-4000, 0)
const LATEST = 8_640_000_000_000_000

function isImpossible({ values }: Condition): boolean {
  return values.some((value) => typeof value === 'string' && !storable(value))
}

/** Parameters as Postgres numbers them. No text of ours has another question mark. */
function numbered(sql: string): string {
  let count = 0
  return sql.replace(/\?/g, () => `$${++count}`)
}
