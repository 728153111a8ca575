import { builder, described } from './builder.ts'
import type { Scope, Viewer } from './context.ts'

const ScopeType = builder.enumType('Scope', {
  description: 'What a viewer may do.',
  values: described<Scope>({
    READ: 'Queries and subscriptions.',
    OPERATE: 'Trigger, cancel, rerun, pause and resume.',
    MANAGE: 'Create, update and delete jobs.',
  }),
})

const ViewerType = builder.objectRef<Viewer>('Viewer').implement({
  description: 'Who is asking.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'As it appears in `triggeredBy` and `Pause.by`.' }),
    scopes: t.field({ type: [ScopeType], description: 'What they may do.', resolve: (viewer) => viewer.scopes }),
  }),
})

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerType,
    description: 'Who is asking.',
    // Not reached without a viewer: see scopes.ts.
    resolve: (_root, _args, { viewer }) => viewer!,
  }),
)
