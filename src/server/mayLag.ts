import { type DocumentNode, type OperationDefinitionNode, visit } from 'graphql'

/** Whoever subscribes from this position must have been shown everything before it. */
const POSITION = 'streamPosition'
const asking = new WeakMap<DocumentNode, boolean>()

/**
 * Whether the lists of an operation may be of a moment ago: those of a query that does not ask for the position of the stream beside them.
 */
export function mayLag(document: DocumentNode, operation: OperationDefinitionNode): boolean {
  return operation.operation === 'query' && !asksForPosition(document)
}

/** Anywhere in the document, other operations included: too often yes does no harm. */
function asksForPosition(document: DocumentNode): boolean {
  let asks = asking.get(document)
  if (asks === undefined) {
    asks = false
    visit(document, {
      Field({ name }) {
        if (name.value === POSITION) asks = true
      },
    })
    asking.set(document, asks)
  }
  return asks
}
