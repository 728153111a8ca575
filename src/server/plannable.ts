import { BREAK, type DocumentNode, visit } from 'graphql'

/** What a plan has to know of its document. */
export interface Plannable {
  /** How many fields it asks for. */
  readonly fields: number
  /** The variables that `@skip` and `@include` look at: each of their values makes other selections, and so another plan. */
  readonly conditions: readonly string[]
}

/** Null where a document has something that is left to graphql-js: introspection is rare and large. */
export function lookAt(document: DocumentNode): Plannable | null {
  let fields = 0
  let plannable = true
  const conditions = new Set<string>()
  const leave = () => {
    plannable = false
    return BREAK
  }
  visit(document, {
    Directive({ name, arguments: given = [] }) {
      if (name.value !== 'skip' && name.value !== 'include') return leave()
      for (const { value } of given) if (value.kind === 'Variable') conditions.add(value.name.value)
      return false
    },
    Field({ name, alias }) {
      if (name.value === '__schema' || name.value === '__type' || alias?.value === '__proto__') return leave()
      fields++
      return undefined
    },
  })
  return plannable ? { fields, conditions: [...conditions] } : null
}
