import type { Tx } from './database.ts'

// Positions of the stream that a statement draws itself, row by row, where it writes many: `WITH ${MARKED} … ${NEXT} … FROM marked, …`.
//
// The position of a run only ever rises. Where a row is new or locked, that needs nothing else. Where an UPDATE meets a row that another
// transaction holds, it waits for that and works out anew what it writes (READ COMMITTED), so that what it draws is above what the other drew.

/** The mark is set before the first position is drawn: whatever a row is made of is read from this too. */
export const MARKED = `marked AS MATERIALIZED (SELECT "orrery_mark"() AS behind)`
export const NEXT = `nextval('"streamCursor"')`

/** The stream is told how far it has come. */
export function noteHead(tx: Tx, rows: readonly { readonly cursor: number }[]): void {
  for (const { cursor } of rows) if (cursor > tx.effects.head) tx.effects.head = cursor
}
