import type { Instant } from '../../../domain/instant.ts'

/** Instants whose text is remembered. */
const REMEMBERED = 2_000

/** The values of one column for many rows, as Postgres reads an array. */
interface Column<Row> {
  readonly type: string
  readonly element: (row: Row) => string
}

/**
 * Rows as a table within a statement: `unnest` of one array for each column. The text is the same however many rows there are, so the
 * statement is prepared once.
 */
export interface Columns<Row> {
  /** `unnest($1::text[], …) AS name("id", …)`. `first`: the number of the first parameter. */
  table(name: string, first?: number): string
  /** `"id", "dueAt"`, in the order of the table. */
  readonly names: string
  /** The parameters of `table`. */
  values(rows: readonly Row[]): readonly string[]
  /** How many parameters that are. */
  readonly count: number
}

export function columns<Row>(all: Readonly<Record<string, Column<Row>>>): Columns<Row> {
  const entries = Object.entries(all)
  const names = entries.map(([name]) => `"${name}"`).join(', ')
  return {
    names,
    count: entries.length,
    table(name, first = 1) {
      return `unnest(${entries.map(([, { type }], i) => `$${first + i}::${type}[]`).join(', ')}) AS ${name}(${names})`
    },
    values: (rows) => entries.map(([, { element }]) => arrayOf(rows, element)),
  }
}

/** An array parameter of Postgres, written out. */
export function arrayOf<Row>(rows: readonly Row[], element: (row: Row) => string): string {
  let text = '{'
  for (const row of rows) text += text.length === 1 ? element(row) : `,${element(row)}`
  return `${text}}`
}

export const textArray = (values: readonly string[]): string => arrayOf(values, quoted)
export const instantArray = (values: readonly Instant[]): string => arrayOf(values, instantText)
export const numberArray = (values: readonly number[]): string => arrayOf(values, String)

export const text = <Row>(of: (row: Row) => string | null): Column<Row> => column('text', of, quoted)
export const integer = <Row>(of: (row: Row) => number | null): Column<Row> => column('int', of, String)
export const bigint = <Row>(of: (row: Row) => number | null): Column<Row> => column('bigint', of, String)
export const float = <Row>(of: (row: Row) => number | null): Column<Row> => column('float8', of, String)
export const truth = <Row>(of: (row: Row) => boolean | null): Column<Row> => column('bool', of, String)
export const instant = <Row>(of: (row: Row) => Instant | null): Column<Row> => column('timestamptz', of, instantText)

function column<Row, Value>(type: string, of: (row: Row) => Value | null, write: (value: Value) => string): Column<Row> {
  return {
    type,
    element(row) {
      const value = of(row)
      return value === null ? 'NULL' : write(value)
    },
  }
}

function quoted(value: string): string {
  return /["\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`
}

/** An instant as a parameter: Postgres keeps it to the millisecond. */
export const instantText: (value: Instant) => string = remembering((value) => {
  const iso = new Date(value).toISOString()
  return iso.length === 24 && !iso.startsWith('0000') ? iso : farInstant(iso)
})

/** The runs of a batch share most of their instants, and the texts of instants are costly to write and to read. */
export function remembering<Key, Value>(of: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>()
  return (key) => {
    let value = known.get(key)
    if (value === undefined) {
      value = of(key)
      if (known.size >= REMEMBERED) known.clear()
      known.set(key, value)
    }
    return value
  }
}

/** Years of more or less than four digits, and those before the first, as Postgres writes them: there is no year 0. */
function farInstant(iso: string): string {
  const signed = /^[+-]/.test(iso)
  const year = Number(iso.slice(0, signed ? 7 : 4))
  const rest = iso.slice(signed ? 7 : 4)
  return year > 0 ? `${year}${rest}` : `${String(1 - year).padStart(4, '0')}${rest} BC`
}

/** Whether Postgres can hold a text at all: what it cannot hold, no row has. */
export function storable(value: string): boolean {
  return !value.includes('\0')
}

/** An array of those that a row may have. */
export const storableArray = (values: readonly string[]): string => textArray(values.filter(storable))
