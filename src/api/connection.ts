import type { ObjectRef } from '@pothos/core'
import { builder } from './builder.ts'
import type { Edge, Page } from './pagination.ts'

type Types = (typeof builder)['$inferSchemaTypes']

/**
 * The connection and edge types of a list of `node`, as Relay lays them out. `things` names the nodes in descriptions: "jobs". A list
 * that is not `counted` has no totalCount.
 */
export function connectionType<Row extends object>(
  name: string,
  node: ObjectRef<Types, Row>,
  things: string,
  { counted = true }: { readonly counted?: boolean } = {},
): ObjectRef<Types, Page<Row>> {
  const EdgeType = builder.objectRef<Edge<Row>>(`${name}Edge`).implement({
    description: `One of the ${things} of a page, with its place in the list.`,
    fields: (t) => ({
      cursor: t.exposeString('cursor', {
        description: 'Its place in the list: send it as `after` or `before` to go on from here. Opaque.',
      }),
      node: t.expose('node', { type: node, description: 'What stands there.' }),
    }),
  })
  return builder.objectRef<Page<Row>>(`${name}Connection`).implement({
    description: `A page of a list of ${things}.`,
    fields: (t) => ({
      edges: t.field({ type: [EdgeType], description: `The ${things} of the page with their cursors.`, resolve: (page) => page.edges }),
      nodes: t.field({ type: [node], description: `The ${things} of the page.`, resolve: (page) => page.nodes }),
      pageInfo: t.field({
        type: builder.pageInfoRef(),
        description: 'Where the page stands in its list.',
        resolve: (page) => page.pageInfo(),
      }),
      ...(counted && {
        totalCount: t.int({
          nullable: true,
          description: `How many ${things} the whole list has; null above 10,000. Counted only when asked for.`,
          resolve: (page) => page.totalCount(),
        }),
      }),
    }),
  })
}
