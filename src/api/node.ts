import type { JobRow, RunRow } from '../engine/store/store.ts'
import { builder } from './builder.ts'
import type { ApiContext } from './context.ts'
import { badUserInput } from './errors.ts'

const MAX_NODES = 100

builder.queryFields((t) => ({
  node: t.field({
    type: builder.nodeInterfaceRef(),
    nullable: true,
    description: 'Any object by its id. Null: there is none.',
    args: { id: t.arg.id({ required: true, description: 'Its id, `job_…` or `run_…`.' }) },
    resolve: (_root, { id }, context) => loadNode(id, context),
  }),
  nodes: t.field({
    type: [builder.nodeInterfaceRef()],
    nullable: { list: false, items: true },
    description: 'Objects by their ids, in the order asked; null where there is none.',
    args: { ids: t.arg.idList({ required: true, description: 'At most 100 ids, `job_…` or `run_…`.' }) },
    resolve: (_root, { ids }, context) => {
      if (ids.length > MAX_NODES) throw badUserInput(`\`ids\` has ${ids.length} ids; accepted: at most ${MAX_NODES}.`)
      return ids.map((id) => loadNode(id, context))
    },
  }),
}))

/** An id says by its prefix what it names. Loaders of jobs would also find one that is deleted, for the sake of its runs' events. */
function loadNode(id: string, { store, loaders }: ApiContext): Promise<JobRow | RunRow | null> | null {
  if (id.startsWith('job_')) return store.job({ id })
  if (id.startsWith('run_')) return loaders.run(id)
  return null
}
