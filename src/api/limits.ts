import { type DocumentNode, type GraphQLError, Kind, type SelectionSetNode } from 'graphql'
import { apiError } from './errors.ts'

// What an operation may be, on every transport alike. These are constants and not configuration: clients are written against them. How
// large requests, messages and documents may be stands where they are read; how much of the data may be asked for, in cost.ts.

/** The deepest sensible question, a job's runs' job's runs by edges, has 12 levels; below there is nothing new. */
export const MAX_DEPTH = 15
/** Relay gives an alias to each abstract type it meets, a script to each of a batch of mutations: some dozens. */
export const MAX_ALIASES = 100
/** A page of an application asks for about ten things, a script for a batch of dozens. */
export const MAX_ROOT_FIELDS = 50

/**
 * Why a document that was only parsed is refused for its shape; null where it is not. Looked at before validation, whose work grows with
 * depth and aliases. Each fragment is looked at once, wherever it is spread; one that spreads itself is left to validation.
 */
export function refuseShape(document: DocumentNode): GraphQLError | null {
  const shape = new Shape(document)
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION && definition.kind !== Kind.FRAGMENT_DEFINITION) continue
    const operation = definition.kind === Kind.OPERATION_DEFINITION
    const { depth, fields } = operation ? shape.of(definition.selectionSet) : shape.fragment(definition.name.value)
    if (depth > MAX_DEPTH)
      return apiError('TOO_DEEP', `The document is nested ${depth} fields deep; ${MAX_DEPTH} are accepted.`, { depth, maximum: MAX_DEPTH })
    if (operation && fields > MAX_ROOT_FIELDS)
      return apiError('TOO_COSTLY', `The operation has ${fields} root fields; ${MAX_ROOT_FIELDS} are accepted.`, {
        rootFields: fields,
        maximum: MAX_ROOT_FIELDS,
      })
  }
  const { aliases } = shape
  if (aliases <= MAX_ALIASES) return null
  return apiError('TOO_COSTLY', `The document has ${aliases} aliases; ${MAX_ALIASES} are accepted.`, { aliases, maximum: MAX_ALIASES })
}

interface Extent {
  readonly depth: number
  /** On the first level, fragments included. */
  readonly fields: number
}

const NOTHING: Extent = { depth: 0, fields: 0 }

class Shape {
  readonly #bodies = new Map<string, SelectionSetNode>()
  readonly #fragments = new Map<string, Extent>()
  /** In the selections that were looked at. */
  aliases = 0

  constructor(document: DocumentNode) {
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#bodies.set(definition.name.value, definition.selectionSet)
    }
  }

  of({ selections }: SelectionSetNode): Extent {
    let depth = 0
    let fields = 0
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        if (selection.alias !== undefined) this.aliases++
        fields++
        depth = Math.max(depth, 1 + this.#below(selection.name.value, selection.selectionSet))
        continue
      }
      const inside = selection.kind === Kind.INLINE_FRAGMENT ? this.of(selection.selectionSet) : this.fragment(selection.name.value)
      depth = Math.max(depth, inside.depth)
      fields = Math.min(fields + inside.fields, Number.MAX_SAFE_INTEGER)
    }
    return { depth, fields }
  }

  /** Introspection is deep by nature and has a rule of its own. */
  #below(name: string, selection: SelectionSetNode | undefined): number {
    return selection === undefined || name === '__schema' || name === '__type' ? 0 : this.of(selection).depth
  }

  fragment(name: string): Extent {
    const known = this.#fragments.get(name)
    if (known !== undefined) return known
    const body = this.#bodies.get(name)
    if (body === undefined) return NOTHING
    this.#fragments.set(name, NOTHING)
    const extent = this.of(body)
    this.#fragments.set(name, extent)
    return extent
  }
}
