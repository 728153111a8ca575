import type { Database, Statement } from 'better-sqlite3'
import { allOf, COUNTED_UP_TO, compare, type Condition, type OrderOf, type Paging, type Stretch, stretches, type Value } from '../paging.ts'
import { prepare } from './statement.ts'
import { Pace, type Turns } from './turns.ts'

const STATEMENTS = 300

/**
 * Rows in the order of an index. `from` joins all that filters and columns need, `keys` only the table of the index, so that stepping
 * over rows costs no lookups. `within` are conditions that the index answers.
 */
export interface Source {
  readonly from: string
  readonly keys: string
  readonly within: readonly Condition[]
  /** Conditions that nearly all rows meet: not worth looking at the rows slice by slice. */
  readonly also: readonly Condition[]
  readonly order: OrderOf
  /** Where rows without a value are found, if not in the same place. */
  readonly nullsFrom?: string
  /** The source is so narrow that it is read and sorted as a whole. */
  readonly narrow: boolean
}

/** A stretch of a source, and where its rows and their keys are. */
interface Place extends Stretch {
  readonly from: string
  readonly keySource: string
}

/**
 * Walks rows page by page and counts them. Where filters may pass over many rows, it looks at a slice at a time and lets the loop turn
 * between: a rare match among a million rows costs time, but never holds up a fire.
 */
export class Scanner {
  readonly #db: Database
  readonly #turns: Turns
  readonly #statements = new Map<string, Statement<unknown[], unknown>>()

  constructor(db: Database, turns: Turns) {
    this.#db = db
    this.#turns = turns
  }

  prepare<Row>(sql: string): Statement<unknown[], Row> {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known as Statement<unknown[], Row>
    if (this.#statements.size >= STATEMENTS) this.#statements.delete(this.#statements.keys().next().value!)
    const statement = prepare<unknown[], Row>(this.#db, sql)
    this.#statements.set(sql, statement as Statement<unknown[], unknown>)
    return statement
  }

  /** One page, in the list's own order. */
  async page<Row>(source: Source, columns: string, filters: readonly Condition[], paging: Paging): Promise<Row[]> {
    const ascending = (paging.direction === 'ASC') !== paging.fromEnd
    const rows: Row[] = []
    for (const stretch of places(source, paging)) {
      const full = await this.#walk(source, stretch, filters, ascending, (part) => {
        const { sql, values } = select(columns, stretch.from, part, ascending)
        rows.push(...this.prepare<Row>(`${sql} LIMIT ?`).all(...values, paging.limit - rows.length))
        return rows.length >= paging.limit
      })
      if (full) break
    }
    return paging.fromEnd ? rows.reverse() : rows
  }

  /** How many rows match; null above COUNTED_UP_TO. */
  async count(source: Source, filters: readonly Condition[]): Promise<number | null> {
    let count = 0
    for (const stretch of places(source, { direction: 'ASC', after: null, before: null, fromEnd: false, limit: 0 })) {
      const tooMany = await this.#walk(source, stretch, filters, true, (part) => {
        const { sql, values } = conditions(part)
        const inner = `SELECT 1 FROM ${part.filters.length === 0 ? stretch.keySource : stretch.from}${sql} LIMIT ?`
        count += this.prepare<{ n: number }>(`SELECT count(*) AS n FROM (${inner})`).get(...values, COUNTED_UP_TO + 1 - count)!.n
        return count > COUNTED_UP_TO
      })
      if (tooMany) return null
    }
    return count
  }

  /** Whether at most `limit` rows of a table meet a condition that an index answers. */
  isNarrow(from: string, { sql, values }: Condition, limit: number): boolean {
    return (
      this.prepare<{ n: number }>(`SELECT count(*) AS n FROM (SELECT 1 FROM ${from} WHERE ${sql} LIMIT ?)`).get(...values, limit + 1)!.n <=
      limit
    )
  }

  /**
   * Has `look` look at one slice after the other, or at the whole stretch at once where all of its rows count, until it has enough.
   * Answers whether it had.
   */
  async #walk(
    source: Source,
    stretch: Place,
    chosen: readonly Condition[],
    ascending: boolean,
    look: (part: Part) => boolean,
  ): Promise<boolean> {
    const whole: Part = {
      stretch,
      filters: [...source.also, ...chosen],
      start: stretch.start,
      end: stretch.end,
      endIncluded: false,
      ascending,
    }
    if (source.narrow) return this.#turns.take(() => look(whole))
    if (chosen.length === 0) return look(whole)
    const pace = new Pace()
    for (let { start } = whole; ; ) {
      const { enough, end } = await this.#turns.take(() => pace.measure(() => this.#slice({ ...whole, start }, pace.rows, look)))
      if (enough || end === null) return enough
      start = end
    }
  }

  /** Looks at the next `rows` rows of what is left. `end`: where they ended; null: that was the rest. */
  #slice(rest: Part, rows: number, look: (part: Part) => boolean): { readonly enough: boolean; readonly end: readonly Value[] | null } {
    const { keys, keySource } = rest.stretch
    const { sql, values } = select(keys.map((key, i) => `${key} AS k${i}`).join(', '), keySource, { ...rest, filters: [] }, rest.ascending)
    const last = this.prepare<Record<string, Value>>(`${sql} LIMIT 1 OFFSET ?`).get(...values, rows - 1)
    if (last === undefined) return { enough: look(rest), end: null }
    const end = keys.map((_, i) => last[`k${i}`]!)
    return { enough: look({ ...rest, end, endIncluded: true }), end }
  }
}

interface Part {
  readonly stretch: Place
  readonly filters: readonly Condition[]
  readonly start: readonly Value[] | null
  readonly end: readonly Value[] | null
  readonly endIncluded: boolean
  readonly ascending: boolean
}

function select(columns: string, from: string, part: Part, ascending: boolean): Condition {
  const { sql, values } = conditions(part)
  const order = part.stretch.keys.map((key) => `${key} ${ascending ? 'ASC' : 'DESC'}`).join(', ')
  return { sql: `SELECT ${columns} FROM ${from}${sql} ORDER BY ${order}`, values }
}

function conditions({ stretch, filters, start, end, endIncluded, ascending }: Part): Condition {
  const all: Condition[] = [...stretch.within]
  if (start !== null) all.push(compare(stretch.keys, ascending ? '>' : '<', start))
  if (end !== null) all.push(compare(stretch.keys, `${ascending ? '<' : '>'}${endIncluded ? '=' : ''}`, end))
  return allOf([...all, ...filters])
}

function places({ from, keys, nullsFrom, within, order }: Source, paging: Paging): readonly Place[] {
  return stretches(order, paging).map((stretch) => {
    const elsewhere = stretch.nulls ? nullsFrom : undefined
    return { ...stretch, within: [...within, ...stretch.within], from: elsewhere ?? from, keySource: elsewhere ?? keys }
  })
}
