import type { PageKey } from './lists.ts'

// Lists by keyset: what a page is, whatever the database.

/** Counts are exact up to here, and null above. */
export const COUNTED_UP_TO = 10_000

export type Value = string | number

/** Part of a WHERE, with its parameters: one `?` for each. */
export interface Condition {
  readonly sql: string
  readonly values: readonly Value[]
}

/** By `value`, ties by `id`; nulls come last both ways. `unique`: the value alone is the order; `id-only`: the id is. */
export interface OrderOf {
  readonly value: string
  readonly id: string
  readonly kind: 'nullable' | 'never-null' | 'unique' | 'id-only'
}

export interface Paging {
  readonly direction: 'ASC' | 'DESC'
  readonly after: PageKey | null
  readonly before: PageKey | null
  readonly fromEnd: boolean
  readonly limit: number
}

/** Rows with a value, or those without, from one exclusive bound to another in the direction of the walk. */
export interface Stretch {
  /** Those without. */
  readonly nulls: boolean
  /** Columns that they are walked by. */
  readonly keys: readonly string[]
  readonly within: readonly Condition[]
  readonly start: readonly Value[] | null
  readonly end: readonly Value[] | null
}

/** The parts of a list in the order they are walked: rows with a value, then those without, or the other way round. */
export function stretches(order: OrderOf, { after, before, fromEnd }: Paging): readonly Stretch[] {
  const [start, end] = fromEnd ? [before, after] : [after, before]
  const hasNulls = order.kind === 'nullable'
  const parts = hasNulls ? [false, true] : [false]
  const walked = fromEnd ? [...parts].reverse() : parts
  const placeOf = (key: PageKey | null) => (key === null ? null : walked.indexOf(hasNulls && key.value === null))

  return walked.flatMap((nulls, place): Stretch[] => {
    const startPlace = placeOf(start)
    const endPlace = placeOf(end)
    if ((startPlace !== null && place < startPlace) || (endPlace !== null && place > endPlace)) return []
    return [
      {
        nulls,
        keys: keysOf(order, nulls),
        within: hasNulls ? [{ sql: `${order.value} IS ${nulls ? 'NULL' : 'NOT NULL'}`, values: [] }] : [],
        start: start !== null && startPlace === place ? boundOf(order, nulls, start) : null,
        end: end !== null && endPlace === place ? boundOf(order, nulls, end) : null,
      },
    ]
  })
}

function keysOf({ value, id, kind }: OrderOf, nulls: boolean): readonly string[] {
  if (kind === 'unique') return [value]
  return kind === 'id-only' || nulls ? [id] : [value, id]
}

function boundOf({ kind }: OrderOf, nulls: boolean, key: PageKey): readonly Value[] {
  if (kind === 'unique') return [key.value ?? '']
  return kind === 'id-only' || nulls ? [key.id] : [key.value ?? '', key.id]
}

/** What lies beyond a place in the order of these keys. */
export function compare(keys: readonly string[], operator: string, values: readonly Value[]): Condition {
  if (keys.length === 1) return { sql: `${keys[0]} ${operator} ?`, values }
  return { sql: `(${keys.join(', ')}) ${operator} (${keys.map(() => '?').join(', ')})`, values }
}

/** ` WHERE …` with all of these conditions, or nothing. */
export function allOf(all: readonly Condition[]): Condition {
  return { sql: all.length === 0 ? '' : ` WHERE ${all.map(({ sql }) => sql).join(' AND ')}`, values: all.flatMap(({ values }) => values) }
}

/** A list in a filter means any of it; an empty one lets nothing through. */
export function anyOf(conditions: readonly Condition[]): Condition {
  if (conditions.length === 0) return { sql: 'false', values: [] }
  return { sql: `(${conditions.map(({ sql }) => sql).join(' OR ')})`, values: conditions.flatMap(({ values }) => values) }
}
