import type { FieldName } from './fields.ts'
import { FIELD_RULES } from './grammar.ts'

/** An item with a step and no end, `*` or a start, a slash and the step. */
export interface Step {
  readonly first: number
  readonly every: number
}

/** Reads an open step such as `5/15` (not `5-30/5`, whose end is the caller's choice); null for anything else. */
export function stepOf(name: FieldName, item: string): Step | null {
  const [, start, every] = /^(\*|[A-Z]{3}|\d+)\/(\d+)$/.exec(item) ?? []
  if (start === undefined) return null
  const { lowest, names, firstName } = FIELD_RULES[name]
  const named = names.indexOf(start)
  return { first: start === '*' ? lowest : named >= 0 ? named + firstName : Number(start), every: Number(every) }
}
