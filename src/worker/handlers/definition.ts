import type { ModuleDescription, PayloadIssue } from './protocol.ts'

// What a handler module must export. Runs in a thread: it touches what users wrote.

/** The parts of Standard Schema (https://standardschema.dev) that are used here. */
interface StandardSchema {
  readonly '~standard': {
    readonly validate: (value: unknown) => SchemaResult | Promise<SchemaResult>
    readonly jsonSchema?: { readonly input?: (options: { readonly target: string }) => unknown }
  }
  readonly toJSONSchema?: () => unknown
}

type SchemaResult = { readonly value: unknown; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] }

interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export interface Definition {
  readonly name: string | null
  readonly description: string | null
  readonly schema: StandardSchema | null
  readonly run: (context: unknown) => unknown
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}$/

/** What is wrong with a name for a handler, or null. */
export function wrongHandlerName(name: string): string | null {
  return NAME.test(name)
    ? null
    : `${JSON.stringify(name.slice(0, 120))} is no name for a handler: 1 to 100 letters, digits and _ . : / - are accepted, the first a letter, digit or _.`
}

/** The handler that a module's exports define. Throws an Error that says what is wrong. */
export function readDefinition(exports: Readonly<Record<string, unknown>>): Definition {
  const exported = exports.default ?? exports.handler
  if (typeof exported === 'function') return { name: null, description: null, schema: null, run: exported as Definition['run'] }
  if (typeof exported !== 'object' || exported === null) {
    throw new Error(
      'it exports no handler: expected a default export, or one named handler, that is a function or an object with a function run',
    )
  }
  const { name, description, schema, run } = exported as Record<string, unknown>
  if (typeof run !== 'function') throw new Error('its handler has no function run')
  if (name !== undefined && typeof name !== 'string') throw new Error('its handler has a name that is no text')
  const wrongName = name === undefined ? null : wrongHandlerName(name)
  if (wrongName !== null) throw new Error(wrongName)
  if (description !== undefined && typeof description !== 'string') throw new Error('its handler has a description that is no text')
  if (schema !== undefined && schema !== null && !isStandardSchema(schema)) {
    throw new Error(
      'its handler has a schema that is no Standard Schema (an object with ~standard.validate, as zod, valibot and arktype make them)',
    )
  }
  // Called on its object, so that `this` is what its author expects.
  return { name: name ?? null, description: description ?? null, schema: schema ?? null, run: (context) => run.call(exported, context) }
}

function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const standard = (value as Record<string, unknown>)['~standard']
  return typeof standard === 'object' && standard !== null && typeof (standard as Record<string, unknown>).validate === 'function'
}

export function describeDefinition({ name, description, schema }: Definition): ModuleDescription {
  return { name, description, hasSchema: schema !== null, payloadSchema: schema === null ? null : jsonSchemaOf(schema) }
}

/** The JSON Schema that a schema offers: by the standard, or as zod did before there was one. */
function jsonSchemaOf(schema: StandardSchema): unknown {
  for (const offer of [() => schema['~standard'].jsonSchema?.input?.({ target: 'draft-2020-12' }), () => schema.toJSONSchema?.()]) {
    try {
      const shown = offer()
      if (typeof shown === 'object' && shown !== null) return JSON.parse(JSON.stringify(shown))
    } catch {
      // Not every schema can be shown as JSON Schema.
    }
  }
  return null
}

/** The payload as the handler shall get it (a schema may fill in defaults), or what its schema finds wrong. */
export async function acceptPayload(
  { schema }: Definition,
  payload: string | null,
): Promise<{ readonly value: unknown } | { readonly issues: readonly PayloadIssue[] }> {
  const given: unknown = payload === null ? undefined : JSON.parse(payload)
  if (schema === null) return { value: given }
  const result = await schema['~standard'].validate(given)
  if (result.issues === undefined) return { value: result.value }
  return {
    issues: result.issues.map(({ message, path }) => ({
      message: String(message),
      path: (path ?? []).map((step) => String(typeof step === 'object' ? step.key : step)),
    })),
  }
}
