import { Ajv, type ErrorObject } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import ajvFormats from 'ajv-formats'
import type { PayloadIssue } from './protocol.ts'

// Whether a payload fits the JSON Schema of a handler whose code is elsewhere. Runs in a thread: a pattern may take for ever.

type Fits = (payload: unknown) => readonly PayloadIssue[]

/** Issues that are told of one payload. */
const MOST_ISSUES = 20
/** Schemas that stay compiled. */
const REMEMBERED = 100
const OPTIONS = { strict: false, allErrors: true, addUsedSchema: false, logger: false } as const

const compiled = new Map<string, Fits>()

/** Both are JSON text; `payload` null: none was given. */
export function schemaIssues(schema: string, payload: string | null): readonly PayloadIssue[] {
  let fits = compiled.get(schema)
  if (fits === undefined) {
    fits = compile(JSON.parse(schema))
    if (compiled.size >= REMEMBERED) compiled.delete(compiled.keys().next().value!)
    compiled.set(schema, fits)
  }
  return fits(payload === null ? undefined : JSON.parse(payload))
}

/**
 * A schema that cannot be used (it refers to others, or is of no draft that is known) refuses nothing: the handler's own schema speaks when
 * the run starts.
 */
function compile(schema: unknown): Fits {
  try {
    const { $schema: draft, ...rest } = schema as Record<string, unknown>
    const ajv = new (draftOf(draft))(OPTIONS)
    // The package is CommonJS: what its types call the default export is the function itself.
    const addFormats = ajvFormats as unknown as (ajv: Ajv) => void
    addFormats(ajv)
    const validate = ajv.compile(rest)
    return (payload) => (validate(payload) ? [] : (validate.errors ?? []).slice(0, MOST_ISSUES).map(issueOf))
  } catch {
    return () => []
  }
}

function draftOf(draft: unknown): typeof Ajv {
  if (typeof draft !== 'string' || draft.includes('2020-12')) return Ajv2020
  return draft.includes('2019-09') ? Ajv2019 : Ajv
}

/** Where something is missing or too much, the path leads to it, as that of Standard Schema does. */
function issueOf({ instancePath, params, message }: ErrorObject): PayloadIssue {
  const path = instancePath
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  const property: unknown = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty
  return { path: typeof property === 'string' ? [...path, property] : path, message: message ?? 'does not fit the schema' }
}
