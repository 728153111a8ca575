import { createHash } from 'node:crypto'
import { type DocumentNode, type OperationDefinitionNode, visit } from 'graphql'
import type { Viewer } from '../api/context.ts'
import type { OperationParams, Prepared } from './documents.ts'

/**
 * A key that is equal for two subscriptions exactly where each event shows the same to both: the same text and operation, the same
 * variables, the same viewer with the same scopes. A variable that says nothing but where to start (it is given to the root field's
 * argument `startArgument`, and to nothing else) does not tell them apart: once they have caught up, they are equal.
 */
export function equalityKey(
  { document, operation }: Prepared,
  { query, variables }: OperationParams,
  viewer: Viewer | null,
  startArgument: string,
): string {
  const values = comparedVariables(document, operation, startArgument).map((name) =>
    variables != null && Object.hasOwn(variables, name) ? [name, canonical(variables[name])] : [name],
  )
  const rights = viewer === null ? null : [viewer.name, [...viewer.scopes].sort()]
  return createHash('sha256')
    .update(JSON.stringify([query, operation.name?.value ?? null, values, rights]))
    .digest('base64')
}

const compared = new WeakMap<OperationDefinitionNode, readonly string[]>()

/** Found once a document: the variables of the operation that may make a difference. */
function comparedVariables(document: DocumentNode, operation: OperationDefinitionNode, startArgument: string): readonly string[] {
  let names = compared.get(operation)
  if (names === undefined) {
    const starting = startVariable(operation, startArgument)
    const declared = (operation.variableDefinitions ?? []).map(({ variable }) => variable.name.value)
    names = declared.filter((name) => name !== starting || usesOf(document, name) > 1)
    compared.set(operation, names)
  }
  return names
}

/** The variable that the root field's argument is given as it is. */
function startVariable({ selectionSet }: OperationDefinitionNode, startArgument: string): string | null {
  const [root] = selectionSet.selections
  if (root?.kind !== 'Field') return null
  const value = root.arguments?.find(({ name }) => name.value === startArgument)?.value
  return value?.kind === 'Variable' ? value.name.value : null
}

/** How often a variable of this name is used anywhere in the document, other operations included: too many uses only share less. */
function usesOf(document: DocumentNode, variable: string): number {
  let uses = 0
  visit(document, {
    VariableDefinition: () => false,
    Variable({ name }) {
      if (name.value === variable) uses++
    },
  })
  return uses
}

/** A value without the order of the keys of its objects. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, each]) => [key, canonical(each)])
  return { entries: entries.sort(([a], [b]) => (a! < b! ? -1 : 1)) }
}
