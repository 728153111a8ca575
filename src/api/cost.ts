import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql'

/**
 * What one operation may cost: `jobs(first: 100)` with `runs(first: 20)` of each and the error of each of those is 4,201. An object
 * takes about 10 µs, so that the greatest operation holds its server for some tenths of a second, spread over many turns.
 */
export const MAX_COST = 10_000

/** An object costs 1; these are more work than that. */
const MUTATION = 10
const WEIGHTS: Readonly<Record<string, number>> = {
  // Thousands of objects, made in one turn of the loop by graphql-js, which takes some ms: two of them are enough.
  'Query.__schema': 4_000,
  'Query.__type': 100,
  // Reads figures of every minute of its window.
  'Query.stats': 10,
  'Job.stats': 10,
  // Walks through up to 10,000,000 instants.
  'Job.audit': 100,
}
/** Counts up to 10,000 rows. */
const TOTAL_COUNT = 10

/** Lists without an argument for their size are short: attempts, headers, errors. */
const SHORT_LIST = 2

const PAGE = { standard: 50, most: 100 }
/** What a size counts for at the most. More is refused by the field itself, which can say better what is accepted. */
const MOST: Readonly<Record<string, number>> = { LogLineConnection: 1_000 }
const MOST_ITEMS = 1_000

export type Variables = Readonly<Record<string, unknown>>

/** What an operation costs with these variables. */
export type Cost = (variables: Variables) => number

/**
 * Works out what an operation of a valid document costs, as far as that can be known without its variables; the rest is a sum over the
 * few fields whose size a variable gives. A field that is asked for twice counts twice, as does one under `@skip` or `@include`, and
 * all that is asked of the types of an interface: it is what may be answered at the most.
 *
 * Linear in the length of the document, however its fragments are nested: each is looked at once, and in each sum added up once.
 */
export function costOf(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode): Cost {
  const total = new Planner(schema, document).operation(operation)
  if (typeof total === 'number') return () => total
  return (variables) => new Evaluation(variables).of(total)
}

/** A cost, or what it is made of where variables have a say. */
type Amount = number | Sum | Product
type Size = number | ((variables: Variables) => number)

interface Sum {
  readonly parts: readonly Amount[]
}

interface Product {
  readonly size: Size
  readonly of: Amount
}

/** Of a selection: what it costs once, and, in a connection, for each item of the page. */
interface Selected {
  readonly once: Amount
  readonly each: Amount
}

const FREE: Selected = { once: 0, each: 0 }

class Planner {
  readonly #schema: GraphQLSchema
  readonly #bodies = new Map<string, FragmentDefinitionNode>()
  readonly #fragments = new Map<string, Selected>()
  #operation: OperationDefinitionNode | null = null

  constructor(schema: GraphQLSchema, document: DocumentNode) {
    this.#schema = schema
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#bodies.set(definition.name.value, definition)
    }
  }

  operation(operation: OperationDefinitionNode): Amount {
    this.#operation = operation
    return this.#selection(this.#schema.getRootType(operation.operation)!, operation.selectionSet).once
  }

  #selection(parent: GraphQLCompositeType, { selections }: SelectionSetNode): Selected {
    const once: Amount[] = []
    const each: Amount[] = []
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        const perItem = isConnection(parent) && (selection.name.value === 'nodes' || selection.name.value === 'edges')
        ;(perItem ? each : once).push(this.#field(parent, selection))
        continue
      }
      const inside =
        selection.kind === Kind.FRAGMENT_SPREAD
          ? this.#fragment(selection.name.value)
          : this.#selection(this.#typeOf(selection.typeCondition?.name.value, parent), selection.selectionSet)
      once.push(inside.once)
      each.push(inside.each)
    }
    return { once: sum(once), each: sum(each) }
  }

  #fragment(name: string): Selected {
    const known = this.#fragments.get(name)
    if (known !== undefined) return known
    const body = this.#bodies.get(name)
    const selected = body === undefined ? FREE : this.#selection(this.#typeOf(body.typeCondition.name.value), body.selectionSet)
    this.#fragments.set(name, selected)
    return selected
  }

  #field(parent: GraphQLCompositeType, node: FieldNode): Amount {
    const name = node.name.value
    if (name.startsWith('__')) return WEIGHTS[`Query.${name}`] ?? 0
    const definition = 'getFields' in parent ? parent.getFields()[name] : undefined
    if (definition === undefined) return 0
    const type = getNamedType(definition.type)
    const inside = node.selectionSet !== undefined && isCompositeType(type) ? this.#selection(type, node.selectionSet) : FREE
    // The page's own parts: its items are counted as such.
    if (isConnection(parent)) {
      if (name === 'nodes') return sum([1, inside.once])
      if (name === 'edges' || name === 'pageInfo') return inside.once
      return name === 'totalCount' ? TOTAL_COUNT : sum([isCompositeType(type) ? 1 : 0, inside.once])
    }
    const weight =
      parent === this.#schema.getMutationType() ? MUTATION : (WEIGHTS[`${parent.name}.${name}`] ?? (isCompositeType(type) ? 1 : 0))
    if (isConnection(type)) return sum([weight, inside.once, product(this.#pageSize(definition, node), inside.each)])
    const size = this.#itemsOf(definition, node)
    if (isList(definition.type)) {
      if (size === null) return isCompositeType(type) ? product(SHORT_LIST, sum([weight, inside.once])) : weight
      return product(size, sum([Math.max(weight, 1), inside.once]))
    }
    return sum([weight, size === null ? 0 : product(size, 1), inside.once])
  }

  #pageSize({ args, type }: Definition, node: FieldNode): Size {
    const most = MOST[getNamedType(type).name] ?? PAGE.most
    const [first, last] = ['first', 'last'].map((name) => this.#argument(args, node, name))
    const size = (variables: Variables) => {
      const given = [first?.(variables), last?.(variables)].filter((value) => typeof value === 'number' && !Number.isNaN(value)) as number[]
      return clamp(given.length === 0 ? PAGE.standard : Math.max(...given), most)
    }
    return this.#isVariable(node, ['first', 'last']) ? size : size({})
  }

  /** How many things are asked for by number or by name; null where a field takes no such argument. */
  #itemsOf({ args }: Definition, node: FieldNode): Size | null {
    const name = args.find((argument) => SIZES.has(argument.name))?.name
    if (name === undefined) return null
    const value = this.#argument(args, node, name)
    const size = (variables: Variables) => clamp(numberOf(value?.(variables)), MOST_ITEMS)
    return this.#isVariable(node, [name]) ? size : size({})
  }

  #isVariable({ arguments: given = [] }: FieldNode, names: readonly string[]): boolean {
    return given.some(({ name, value }) => names.includes(name.value) && value.kind === Kind.VARIABLE)
  }

  /**
   * The value of an argument, as far as it tells a size. Variables are read as they came: what coercing would refuse is refused when
   * the operation is executed, and what it takes, a whole number or a list, it leaves as it is.
   */
  #argument(
    args: readonly GraphQLArgument[],
    { arguments: given = [] }: FieldNode,
    name: string,
  ): ((variables: Variables) => unknown) | null {
    const definition = args.find((argument) => argument.name === name)
    if (definition === undefined) return null
    const value = (given as readonly ArgumentNode[]).find((argument) => argument.name.value === name)?.value
    if (value === undefined) return () => definition.defaultValue
    if (value.kind !== Kind.VARIABLE) return () => literal(value)
    const variable = value.name.value
    const standard = this.#operation?.variableDefinitions?.find((declared) => declared.variable.name.value === variable)?.defaultValue
    return (variables) => {
      if (variables[variable] !== undefined) return variables[variable]
      return standard === undefined ? definition.defaultValue : literal(standard)
    }
  }

  #typeOf(name: string | undefined, standard?: GraphQLCompositeType): GraphQLCompositeType {
    return (name === undefined ? standard : (this.#schema.getType(name) as GraphQLCompositeType))!
  }
}

type Definition = GraphQLField<unknown, unknown>

/** Arguments that say how many things are wanted. */
const SIZES = new Set(['ids', 'count', 'buckets'])

class Evaluation {
  readonly #variables: Variables
  /** Fragments are shared: without this, their nesting would multiply the work. */
  readonly #known = new Map<Amount, number>()

  constructor(variables: Variables) {
    this.#variables = variables
  }

  of(amount: Amount): number {
    if (typeof amount === 'number') return amount
    const known = this.#known.get(amount)
    if (known !== undefined) return known
    const cost =
      'parts' in amount
        ? amount.parts.reduce<number>((total, part) => total + this.of(part), 0)
        : (typeof amount.size === 'number' ? amount.size : amount.size(this.#variables)) * this.of(amount.of)
    const bounded = bound(cost)
    this.#known.set(amount, bounded)
    return bounded
  }
}

/** As one number, where it can be. */
function sum(parts: readonly Amount[]): Amount {
  const fixed = bound(parts.reduce<number>((total, part) => (typeof part === 'number' ? total + part : total), 0))
  const open = parts.filter((part) => typeof part !== 'number')
  if (open.length === 0) return fixed
  return open.length === 1 && fixed === 0 ? open[0]! : { parts: [fixed, ...open] }
}

function product(size: Size, of: Amount): Amount {
  if (of === 0) return 0
  return typeof size === 'number' && typeof of === 'number' ? bound(size * of) : { size, of }
}

/** Costs stay numbers that JSON can carry, however absurd the operation. */
function bound(cost: number): number {
  return Math.min(cost, 1e12)
}

function clamp(size: number, most: number): number {
  return Math.min(Math.max(size, 0), most)
}

function numberOf(value: unknown): number {
  if (typeof value === 'number') return Number.isNaN(value) ? 0 : value
  if (Array.isArray(value)) return value.length
  return value === null || value === undefined ? 0 : 1
}

/** A literal as far as it tells a size. */
function literal(value: ValueNode): unknown {
  if (value.kind === Kind.INT) return Number(value.value)
  if (value.kind === Kind.NULL) return null
  return value.kind === Kind.LIST ? value.values : [value]
}

function isConnection(type: unknown): boolean {
  return isObjectType(type) && type.name.endsWith('Connection')
}

function isList(type: GraphQLOutputType): boolean {
  return isListType(getNullableType(type))
}
