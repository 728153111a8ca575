import { type DocumentNode, GraphQLError, type GraphQLSchema, getOperationAST, type OperationDefinitionNode, parse } from 'graphql'
import { type Cost, costOf, MAX_COST } from '../api/cost.ts'
import { apiError } from '../api/errors.ts'
import { refuseShape } from '../api/limits.ts'
import { validateDocument } from '../api/validation.ts'

/** No honest document comes near: GraphiQL's introspection has about 400 tokens. */
const MAX_TOKENS = 4_000
/** What graphql-js says then, in 16.15 with a slip of the pen. */
const TOO_MANY_TOKENS = /^Syntax Error: Document contains more tha[nt] \d+ tokens/

/** About what a token costs in memory once parsed: the token itself, its part of a node, of that node's location and of its plan. */
const BYTES_A_TOKEN = 700
const MAX_ENTRIES = 1_000
const MAX_BYTES = 32 * 1_048_576

/** What a client asks for, its shape already checked. */
export interface OperationParams {
  readonly query: string
  readonly operationName?: string | null | undefined
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined
  readonly extensions?: Readonly<Record<string, unknown>> | null | undefined
}

/** One operation of a document that is valid against the schema and within the limits. */
export interface Prepared {
  readonly document: DocumentNode
  readonly operation: OperationDefinitionNode
  /** Of a subscription: what one event costs. */
  readonly cost: number
}

export interface Documents {
  /** Parses, validates and measures, once for each text. Refused: what is wrong, each error with its code. */
  prepare(params: OperationParams): Prepared | { readonly refused: readonly GraphQLError[] }
}

interface Entry {
  readonly document: DocumentNode
  readonly bytes: number
  readonly costs: Map<OperationDefinitionNode, Cost>
}

/**
 * Documents by their text, those used last kept. Bounded by what they cost, not only by their number: a parsed document takes a hundred
 * times the room of its text. A document that is refused is not kept.
 */
export function createDocuments(schema: GraphQLSchema): Documents {
  const kept = new Map<string, Entry>()
  let bytes = 0

  function keep(text: string, entry: Entry): void {
    if (entry.bytes > MAX_BYTES / 8) return
    kept.set(text, entry)
    bytes += entry.bytes
    for (const [oldest, { bytes: freed }] of kept) {
      if (kept.size <= MAX_ENTRIES && bytes <= MAX_BYTES) break
      kept.delete(oldest)
      bytes -= freed
    }
  }

  function entryOf(text: string): Entry | { readonly refused: readonly GraphQLError[] } {
    const known = kept.get(text)
    if (known !== undefined) {
      kept.delete(text)
      kept.set(text, known)
      return known
    }
    try {
      const document = parse(text, { maxTokens: MAX_TOKENS })
      const shapeless = refuseShape(document)
      if (shapeless !== null) return { refused: [shapeless] }
      const errors = validateDocument(schema, document)
      if (errors.length > 0) return { refused: errors }
      const entry = { document, bytes: 2 * text.length + BYTES_A_TOKEN * tokensOf(document), costs: new Map() }
      keep(text, entry)
      return entry
    } catch (error) {
      return { refused: [unreadable(error)] }
    }
  }

  function costIn({ document, costs }: Entry, operation: OperationDefinitionNode): Cost {
    const known = costs.get(operation)
    if (known !== undefined) return known
    const cost = costOf(schema, document, operation)
    costs.set(operation, cost)
    return cost
  }

  return {
    prepare({ query, operationName, variables }) {
      const entry = entryOf(query)
      if ('refused' in entry) return entry
      const { document } = entry
      const operation = getOperationAST(document, operationName)
      if (!operation) return { refused: [noSuchOperation(document, operationName)] }
      const cost = costIn(entry, operation)(variables ?? NO_VARIABLES)
      return cost <= MAX_COST ? { document, operation, cost } : { refused: [tooCostly(cost)] }
    },
  }
}

const NO_VARIABLES = Object.freeze({})

function tooCostly(cost: number): GraphQLError {
  return apiError('TOO_COSTLY', `The operation costs ${cost}; ${MAX_COST} are accepted. Ask for smaller pages, or for less of each item.`, {
    cost,
    maximum: MAX_COST,
  })
}

function unreadable(error: unknown): GraphQLError {
  if (error instanceof GraphQLError) {
    const { message, source, positions } = error
    if (TOO_MANY_TOKENS.test(message))
      return apiError('TOO_LARGE', `The document has more than ${MAX_TOKENS} tokens.`, { maximum: MAX_TOKENS })
    return new GraphQLError(message, { source: source ?? null, positions: positions ?? null, extensions: { code: 'GRAPHQL_PARSE_FAILED' } })
  }
  // graphql-js descends by recursion: a document of nothing but opening braces takes the stack.
  if (error instanceof RangeError) return apiError('TOO_DEEP', 'The document is nested too deeply to be read.')
  throw error
}

function noSuchOperation(document: DocumentNode, operationName: string | null | undefined): GraphQLError {
  const names = document.definitions.flatMap((definition) =>
    definition.kind === 'OperationDefinition' ? [definition.name?.value ?? '(unnamed)'] : [],
  )
  const problem =
    operationName == null
      ? `The document has ${names.length} operations: say by operationName which of them is meant.`
      : `The document has no operation ${JSON.stringify(operationName)}; it has ${names.join(', ') || 'none'}.`
  return apiError('GRAPHQL_VALIDATION_FAILED', problem)
}

function tokensOf(document: DocumentNode): number {
  let count = 0
  for (let token = document.loc?.startToken ?? null; token !== null; token = token.next) count++
  return count
}
