import { defaultFieldResolver, type GraphQLField, type GraphQLFieldResolver, type GraphQLSchema } from 'graphql'
import type { ApiContext, Scope } from './context.ts'
import { apiError } from './errors.ts'

/** What each mutation needs. A mutation that is not named here keeps the schema from being built. */
const MUTATION_SCOPES: Readonly<Record<string, Scope>> = {
  createJob: 'MANAGE',
  updateJob: 'MANAGE',
  deleteJob: 'MANAGE',
  pauseJob: 'OPERATE',
  resumeJob: 'OPERATE',
  triggerJob: 'OPERATE',
  backfillJob: 'OPERATE',
  cancelRun: 'OPERATE',
  rerun: 'OPERATE',
  retryRunNow: 'OPERATE',
  pauseScheduling: 'OPERATE',
  resumeScheduling: 'OPERATE',
}

type RootField = GraphQLField<unknown, ApiContext>
type Resolver = GraphQLFieldResolver<unknown, ApiContext>

/**
 * Puts the scope check on every field of the three root types: nothing is reached but through them, `node` included. Queries and
 * subscriptions need READ.
 */
export function guardRootFields(schema: GraphQLSchema): GraphQLSchema {
  for (const field of fieldsOf(schema.getQueryType())) field.resolve = guarded('READ', field.resolve ?? defaultFieldResolver)
  for (const field of fieldsOf(schema.getSubscriptionType())) field.subscribe = guarded('READ', field.subscribe ?? defaultFieldResolver)
  for (const field of fieldsOf(schema.getMutationType())) {
    const scope = MUTATION_SCOPES[field.name]
    if (scope === undefined) throw new Error(`The mutation ${field.name} has no scope: name it in MUTATION_SCOPES.`)
    field.resolve = guarded(scope, field.resolve ?? defaultFieldResolver)
  }
  return schema
}

function fieldsOf(type: { getFields(): Record<string, RootField> } | null | undefined): readonly RootField[] {
  return Object.values(type?.getFields() ?? {})
}

function guarded(scope: Scope, resolve: Resolver): Resolver {
  return (source, args, context, info) => {
    requireScope(context, scope)
    return resolve(source, args, context, info)
  }
}

function requireScope({ viewer }: ApiContext, scope: Scope): void {
  if (viewer === null) throw apiError('UNAUTHENTICATED', 'This needs credentials: an API key or token as `Authorization: Bearer …`.')
  if (!viewer.scopes.includes(scope))
    throw apiError('FORBIDDEN', `This needs the scope ${scope}; ${viewer.name} has ${viewer.scopes.join(', ') || 'none'}.`)
}
