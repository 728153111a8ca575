import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  getArgumentValues,
  getVariableValues,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql'
import { collectFields } from 'graphql/execution/collectFields.js'
import { lookAt } from './plannable.ts'
import { inTurnToCome, isTurnOver } from './turns.ts'

// graphql-js looks at the schema and the document anew for every field of every row, which is two thirds of the cost of a list. Here
// that is done once a document: what is left for a row is to call its resolvers. Only what goes well is answered this way. At the
// first irregularity (an error, a null that may not be, a value of the wrong kind) all is thrown away and graphql-js answers the
// operation from the start, so that its rules about errors stand in one place. That is why mutations always are graphql-js's.

export interface Execution {
  readonly document: DocumentNode
  readonly operation: OperationDefinitionNode
  readonly variables: Readonly<Record<string, unknown>>
  readonly rootValue: unknown
  /** Called once more where the operation is begun again: nothing of the first try is seen by the second. */
  readonly context: () => unknown
}

/** Executes operations as graphql-js does, to the letter. Rejects where graphql-js rejects or the context cannot be made. */
export function createExecutor(schema: GraphQLSchema): (execution: Execution) => Promise<ExecutionResult> {
  const plannings = new WeakMap<DocumentNode, Planning | null>()

  function planningOf(document: DocumentNode): Planning | null {
    let planning = plannings.get(document)
    if (planning === undefined) {
      const found = lookAt(document)
      planning = found && { conditions: found.conditions, plans: new Map(), room: { fields: 2 * found.fields + SOME_FIELDS } }
      plannings.set(document, planning)
    }
    return planning
  }

  function planFor(document: DocumentNode, { conditions, plans, room }: Planning, variables: Record<string, unknown>): Plan {
    const key = conditions.map((name) => String(variables[name])).join()
    let plan = plans.get(key)
    if (plan === undefined) {
      plan = new Plan(schema, document, room, variables)
      plans.set(key, plan)
    }
    return plan
  }

  async function tryPlanned({ document, operation, variables, rootValue, context }: Execution): Promise<ExecutionResult | null> {
    const planning = operation.operation === 'mutation' ? null : planningOf(document)
    if (planning === null) return null
    const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variables)
    if (coerced === undefined) return null
    const attempt = new Attempt(planFor(document, planning, coerced), operation, coerced, rootValue, context())
    try {
      return { data: await attempt.data() }
    } catch (error) {
      if (error instanceof Unplanned) plannings.set(document, null)
      return null
    }
  }

  return async (execution) => (await tryPlanned(execution)) ?? execute(argsOf(schema, execution))
}

function argsOf(schema: GraphQLSchema, { document, operation, variables, rootValue, context }: Execution): ExecutionArgs {
  return { schema, document, operationName: operation.name?.value, variableValues: variables, rootValue, contextValue: context() }
}

/** The plans of a document, by the values of the variables that its selections depend on. */
interface Planning {
  readonly conditions: readonly string[]
  readonly plans: Map<string, Plan>
  readonly room: Room
}

/** How many fields the plans of a document may still take together. */
interface Room {
  fields: number
}

/** The document asks for something that only graphql-js answers. */
class Unplanned extends Error {}

/** What graphql-js has to judge. */
class Irregular extends Error {}

/** Brings what a resolver answered into the form in which it is sent; it may answer a promise of that. */
type Complete = (value: unknown, field: PlannedField, path: Path, attempt: Attempt) => unknown

type Path = GraphQLResolveInfo['path']

/** A field of a selection, on one type of object. */
interface PlannedField {
  /** Under which it is answered: its alias or its name. */
  readonly key: string
  readonly nodes: readonly FieldNode[]
  readonly parentType: GraphQLObjectType
  /** Null: `__typename`. */
  readonly definition: GraphQLField<unknown, unknown> | null
  readonly takesArguments: boolean
  readonly complete: Complete
}

/**
 * What a document asks of each type of object, found out when it is first needed and then kept as long as the document. A selection is
 * one wherever the fragment that it stands in is spread, so that nested fragments do not multiply; what many selections spread does, and
 * `room` sets its end: plans must not take more memory than documents are counted for.
 */
class Plan {
  readonly schema: GraphQLSchema
  readonly fragments: Record<string, FragmentDefinitionNode> = Object.create(null)
  readonly #fields = new Map<SelectionSetNode, Map<GraphQLObjectType, readonly PlannedField[]>>()
  readonly #room: Room
  /** Only those count that its selections depend on. */
  readonly #variables: Record<string, unknown>

  constructor(schema: GraphQLSchema, document: DocumentNode, room: Room, variables: Record<string, unknown>) {
    this.schema = schema
    this.#room = room
    this.#variables = variables
    for (const definition of document.definitions) {
      if (definition.kind === 'FragmentDefinition') this.fragments[definition.name.value] = definition
    }
  }

  fieldsOf(type: GraphQLObjectType, selection: SelectionSetNode): readonly PlannedField[] {
    const known = this.#fields.get(selection)?.get(type)
    if (known !== undefined) return known
    const fields = this.#plan(type, selection)
    this.#room.fields -= Math.max(1, fields.length)
    if (this.#room.fields < 0) throw new Unplanned()
    const byType = this.#fields.get(selection) ?? new Map()
    this.#fields.set(selection, byType.set(type, fields))
    return fields
  }

  #plan(parentType: GraphQLObjectType, selection: SelectionSetNode): readonly PlannedField[] {
    const definitions = parentType.getFields()
    return [...collectFields(this.schema, this.fragments, this.#variables, parentType, selection)].map(([key, nodes]) => {
      const { name, selectionSet } = nodes[0]!
      // Two selections would have to be made one.
      if (nodes.length > 1 && selectionSet !== undefined) throw new Unplanned()
      const definition = name.value === '__typename' ? null : definitions[name.value]!
      const takesArguments = definition !== null && definition.args.length > 0
      const complete = definition === null ? asIs : completerOf(definition.type, selectionSet, this.schema)
      return { key, nodes, parentType, definition, takesArguments, complete }
    })
  }
}

/**
 * Plans may have twice the fields of their document and some: a few types that share a selection, a fragment spread here and there, both
 * values of a condition.
 */
const SOME_FIELDS = 50

const NO_ARGUMENTS = Object.freeze({})

/** One execution of an operation by its plan. */
class Attempt {
  readonly #plan: Plan
  readonly #operation: OperationDefinitionNode
  readonly #variables: Record<string, unknown>
  readonly #rootValue: unknown
  readonly context: unknown
  /** Values that were promised and have come. */
  waitedFor = 0

  constructor(plan: Plan, operation: OperationDefinitionNode, variables: Record<string, unknown>, rootValue: unknown, context: unknown) {
    this.#plan = plan
    this.#operation = operation
    this.#variables = variables
    this.#rootValue = rootValue
    this.context = context
  }

  data(): Record<string, unknown> | Promise<Record<string, unknown>> {
    const { operation, selectionSet } = this.#operation
    return this.object(this.#plan.schema.getRootType(operation)!, selectionSet, this.#rootValue, undefined)
  }

  /** An object's fields, in the order of the document; a promise where any of them is one. */
  object(
    type: GraphQLObjectType,
    selection: SelectionSetNode,
    source: unknown,
    path: Path | undefined,
  ): Record<string, unknown> | Promise<Record<string, unknown>> {
    const answer: Record<string, unknown> = {}
    const pending: Promise<void>[] = []
    try {
      for (const field of this.#plan.fieldsOf(type, selection)) {
        const value = this.#field(field, source, { prev: path, key: field.key, typename: type.name })
        answer[field.key] = value
        if (isPromise(value)) {
          const put = (settled: unknown) => {
            answer[field.key] = settled
          }
          pending.push(value.then(put))
        }
      }
    } catch (error) {
      abandon(pending)
      throw error
    }
    return pending.length === 0 ? answer : Promise.all(pending).then(() => answer)
  }

  /** What the plan knows of a field and the resolver may want to. */
  infoOf({ definition, nodes, parentType }: PlannedField, path: Path): GraphQLResolveInfo {
    const { schema, fragments } = this.#plan
    return {
      fieldName: definition!.name,
      fieldNodes: nodes,
      returnType: definition!.type,
      parentType,
      path,
      schema,
      fragments,
      rootValue: this.#rootValue,
      operation: this.#operation,
      variableValues: this.#variables,
    }
  }

  #field(field: PlannedField, source: unknown, path: Path): unknown {
    const { definition, nodes, complete } = field
    if (definition === null) return field.parentType.name
    const args = field.takesArguments ? getArgumentValues(definition, nodes[0]!, this.#variables) : NO_ARGUMENTS
    const value =
      definition.resolve === undefined
        ? defaultOf(source, definition.name)
        : definition.resolve(source, args, this.context, this.infoOf(field, path))
    return isPromise(value) ? completeLater(value, complete, field, path, this) : complete(value, field, path, this)
  }
}

/** So few promised values make no long answer; they are completed as they come, so that what they ask of loaders is asked together. */
const SMALL = 24

/** Below a promise lies what is long: each is completed by itself, in this turn of the loop where there is time left in it. */
function completeLater(value: Promise<unknown>, complete: Complete, field: PlannedField, path: Path, attempt: Attempt): Promise<unknown> {
  return value.then((settled) => {
    const completed = () => complete(settled, field, path, attempt)
    return ++attempt.waitedFor > SMALL && isTurnOver() ? inTurnToCome(completed) : completed()
  })
}

/** What a field without a resolver answers: the property of its name. One that is a function is graphql-js's to call. */
function defaultOf(source: unknown, name: string): unknown {
  const value = (source as Readonly<Record<string, unknown>> | null | undefined)?.[name]
  if (typeof value === 'function') throw new Unplanned()
  return value
}

function completerOf(type: GraphQLOutputType, selection: SelectionSetNode | undefined, schema: GraphQLSchema): Complete {
  const complete = presentCompleterOf(isNonNullType(type) ? type.ofType : type, selection, schema)
  const absent = isNonNullType(type) ? refuse : asNull
  return (value, field, path, attempt) => {
    if (value === null || value === undefined) return absent()
    if (value instanceof Error) refuse()
    return complete(value, field, path, attempt)
  }
}

/** For a value that is there. What comes of it always is there too, or it is Irregular. */
function presentCompleterOf(type: GraphQLOutputType, selection: SelectionSetNode | undefined, schema: GraphQLSchema): Complete {
  if (isLeafType(type)) return (value) => type.serialize(value) ?? refuse()
  if (isListType(type)) return listCompleter(completerOf(type.ofType, selection, schema))
  if (selection === undefined) throw new Unplanned()
  if (isAbstractType(type)) {
    return (value, field, path, attempt) => {
      const name = type.resolveType?.(value, attempt.context, attempt.infoOf(field, path), type)
      if (isPromise(name)) abandon([name])
      const found = typeof name === 'string' ? schema.getType(name) : undefined
      if (!isObjectType(found) || !schema.isSubType(type, found) || found.isTypeOf) throw new Unplanned()
      return attempt.object(found, selection, value, path)
    }
  }
  if (!isObjectType(type) || type.isTypeOf) throw new Unplanned()
  return (value, _field, path, attempt) => attempt.object(type, selection, value, path)
}

function listCompleter(complete: Complete): Complete {
  return (value, field, path, attempt) => {
    if (!Array.isArray(value)) refuse()
    const pending: Promise<unknown>[] = []
    try {
      const answer = (value as unknown[]).map((item, index) => {
        const place = { prev: path, key: index, typename: undefined }
        const done = isPromise(item) ? completeLater(item, complete, field, place, attempt) : complete(item, field, place, attempt)
        if (isPromise(done)) pending.push(done)
        return done
      })
      return pending.length === 0 ? answer : Promise.all(answer)
    } catch (error) {
      abandon(pending)
      throw error
    }
  }
}

const asIs: Complete = (value) => value
const asNull = (): null => null

function refuse(): never {
  throw new Irregular()
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function'
}

/** Nobody waits for these any more: should they fail, nobody is to hear of it. */
function abandon(promises: readonly Promise<unknown>[]): void {
  for (const promise of promises) promise.catch(() => {})
}
