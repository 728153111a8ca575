import type { FormattedExecutionResult } from 'graphql'
import { inTurnToCome, isTurnOver } from './turns.ts'

/** An answer of so little cost is written out in one piece: with ordinary rows that takes a tenth of a millisecond. */
const IN_ONE_PIECE = 50

/** Whether an answer of this cost may be so large that writing it out in one piece would hold the loop. */
export function mayBeLarge(cost: number): boolean {
  return cost > IN_ONE_PIECE
}

/** A result as `JSON.stringify` writes it, in slices between which the loop turns. */
export async function writtenInSlices(result: FormattedExecutionResult): Promise<string> {
  const parts: string[] = []
  for (const _ of write(result, parts)) if (isTurnOver()) await inTurnToCome(() => {})
  return parts.join('')
}

/** Writes a value of plain objects, lists and scalars; yields after each item of a list. */
function* write(value: unknown, parts: string[]): Generator<void> {
  if (Array.isArray(value)) yield* writeList(value, parts)
  else if (isObject(value) && Object.values(value).some(isObject)) yield* writeObject(value, parts)
  else parts.push(JSON.stringify(value))
}

function* writeList(items: readonly unknown[], parts: string[]): Generator<void> {
  let before = '['
  for (const item of items) {
    parts.push(before)
    yield* write(item, parts)
    yield
    before = ','
  }
  parts.push(items.length === 0 ? '[]' : ']')
}

function* writeObject(fields: Readonly<Record<string, unknown>>, parts: string[]): Generator<void> {
  let before = '{'
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue
    parts.push(`${before}${JSON.stringify(key)}:`)
    yield* write(value, parts)
    before = ','
  }
  parts.push(before === '{' ? '{}' : '}')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
