import SchemaBuilder from '@pothos/core'
import PrismaPlugin from '@pothos/plugin-prisma'
import RelayPlugin from '@pothos/plugin-relay'
import type { Instant, Milliseconds } from '../domain/instant.ts'
import type PrismaTypes from '../generated/pothos.ts'
import { getDatamodel } from '../generated/pothos.ts'
import type { Attempt } from '../generated/sqlite/client.ts'
import type { ApiContext } from './context.ts'
import { Cursor, DateTime, Duration, Json } from './scalars.ts'

/** A stored attempt; or the newest of a run while it is under way, which stands on the run's own row and has no end yet. */
export type AttemptRecord = Omit<Attempt, 'finishedAt'> & { readonly finishedAt: Date | null }

type Models = Omit<PrismaTypes, 'Attempt'> & { Attempt: Omit<PrismaTypes['Attempt'], 'Shape'> & { Shape: AttemptRecord } }

/**
 * The one builder: plugins and scalars, no types of the product.
 *
 * What a type is made from follows from who reads it:
 * - Job and JobRun are plain objects over the store's rows (JobRow, RunRow). They are what lists, nodes, loaders and streams are full
 *   of; the store's prepared reads decode them once, ten times as fast as a Prisma query, and one shape means that no field asks where
 *   its parent came from. They are not Prisma objects on purpose: a field with a `select` is loaded again by the plugin whenever its
 *   parent did not come from a Prisma query, and a row's instants would be numbers in one place and Dates in another.
 * - Records that only the pages of a single object show (attempts) are Prisma objects, read by Prisma, typed by its columns.
 */
export const builder = new SchemaBuilder<{
  Context: ApiContext
  PrismaTypes: Models
  DefaultFieldNullability: false
  Scalars: {
    ID: { Input: string; Output: string }
    DateTime: { Input: Instant; Output: Instant | Date }
    Duration: { Input: Milliseconds; Output: Milliseconds }
    JSON: { Input: unknown; Output: unknown }
    Cursor: { Input: string; Output: string }
  }
}>({
  defaultFieldNullability: false,
  plugins: [RelayPlugin, PrismaPlugin],
  prisma: {
    // By the context, so that the schema can be built and printed without a database.
    client: (context) => context.prisma,
    dmmf: getDatamodel(),
    exposeDescriptions: false,
  },
  relay: {
    cursorType: 'String',
    edgeCursorType: 'String',
    clientMutationId: 'omit',
    // Ids are the same text everywhere (`job_…`, `run_…`) and say what they name: nodes are found by prefix, in node.ts.
    nodeQueryOptions: false,
    nodesQueryOptions: false,
    nodeTypeOptions: {
      description: 'An object that `node` finds by its id.',
      resolveType: (value) => ('job' in (value as object) ? 'Job' : 'JobRun'),
    },
    idFieldOptions: {
      description: 'Readable, sorts by time of creation, and is the same text in the API, headers, logs and the database.',
    },
    firstArgOptions: {
      description:
        'The first so many of the list, counted from `after` where given: 0 to 100; 50 where neither `first` nor `last` is given.',
    },
    lastArgOptions: {
      description: 'The last so many of the list, counted from `before` where given: 0 to 100. Not together with `first`.',
    },
    afterArgOptions: { description: 'Only what comes after this cursor. A cursor belongs to the order it was made in.' },
    beforeArgOptions: { description: 'Only what comes before this cursor. A cursor belongs to the order it was made in.' },
    pageInfoTypeOptions: { description: 'Where a page stands in its list.' },
    hasNextPageFieldOptions: { description: 'Whether the list goes on behind this page.' },
    hasPreviousPageFieldOptions: { description: 'Whether the list has something before this page.' },
    startCursorFieldOptions: { description: "Cursor of the page's first edge; null where the page is empty." },
    endCursorFieldOptions: { description: "Cursor of the page's last edge; null where the page is empty." },
  },
})

builder.addScalarType('DateTime', DateTime)
builder.addScalarType('Duration', Duration)
builder.addScalarType('JSON', Json)
builder.addScalarType('Cursor', Cursor)

builder.queryType({ description: 'Reading. Needs the scope READ.' })
builder.mutationType({
  description: 'Changing. Each answers with what it changed, or with everything that is wrong with the request as data in `errors`.',
})
builder.subscriptionType({ description: 'Live. Needs the scope READ.' })

/** Enum values with their descriptions, complete and exact for the domain's own list. */
export function described<Value extends string>(descriptions: Readonly<Record<Value, string>>): Record<Value, { description: string }> {
  return Object.fromEntries(Object.entries<string>(descriptions).map(([value, description]) => [value, { description }])) as Record<
    Value,
    { description: string }
  >
}
