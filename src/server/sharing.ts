import { type DocumentNode, type OperationDefinitionNode, visit } from 'graphql'
import type { Viewer } from '../api/context.ts'
import type { OperationParams, Prepared } from './documents.ts'

// What may be answered with something that is not of this very moment, and to whom.

/** Whoever subscribes from this position must have been shown everything before it. */
export const POSITION_FIELD = 'streamPosition'
/** What the clock shows. Whoever asks sets a clock by it. */
export const CLOCK_FIELD = 'now'

/**
 * Whether the lists of an operation may be of a moment ago: those of a query that does not ask for the position of the stream beside them.
 */
export function mayLag(document: DocumentNode, operation: OperationDefinitionNode): boolean {
  return operation.operation === 'query' && !asksForPosition(document)
}

/** Whether an operation may ask for the position to subscribe from. */
export function asksForPosition(document: DocumentNode): boolean {
  return fieldsOf(document).has(POSITION_FIELD)
}

/** Longer questions are rare, and are not compared. */
const LONGEST_QUESTION = 8_192

/**
 * Equal for two operations that may be given one answer: the same text, operation and variables, of the same viewer with the same rights.
 * Null: to be answered by itself.
 */
export function sharedQuestion({ document, operation }: Prepared, params: OperationParams, viewer: Viewer | null): string | null {
  if (operation.operation !== 'query' || viewer === null || fieldsOf(document).has(CLOCK_FIELD)) return null
  const { query, operationName, variables } = params
  const question = JSON.stringify([viewer.name, viewer.scopes, operationName ?? null, variables ?? null, query])
  return question.length > LONGEST_QUESTION ? null : question
}

const known = new WeakMap<DocumentNode, ReadonlySet<string>>()

/** Names of the fields anywhere in a document, other operations included: too many of them do no harm. */
function fieldsOf(document: DocumentNode): ReadonlySet<string> {
  const remembered = known.get(document)
  if (remembered !== undefined) return remembered
  const names = new Set<string>()
  visit(document, {
    Field({ name }) {
      names.add(name.value)
    },
  })
  known.set(document, names)
  return names
}
