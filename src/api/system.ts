import { standingPause } from '../domain/maintenance.ts'
import type { Engine } from '../engine/engine.ts'
import { builder, described } from './builder.ts'
import type { ApiContext } from './context.ts'
import { PauseType } from './pause.ts'

const EngineType = builder.enumType('Engine', {
  description: 'What the system runs on.',
  values: described<Engine['kind']>({ SQLITE: 'Embedded: one process and a file.', POSTGRES: 'Distributed: any number of processes.' }),
})

// A system is read from the context.
export const SystemType = builder.objectRef<ApiContext>('System').implement({
  description: "The server's clock and version, and whether the whole scheduling is paused.",
  fields: (t) => ({
    now: t.field({ type: 'DateTime', description: "The server's clock.", resolve: ({ now }) => now() }),
    version: t.exposeString('version', { description: 'Version of the server.' }),
    engine: t.field({ type: EngineType, description: 'What it runs on.', resolve: ({ engineKind }) => engineKind }),
    pause: t.field({
      type: PauseType,
      nullable: true,
      description: 'Set while the whole scheduling is paused; null otherwise.',
      resolve: async ({ loaders, now }) => standingPause(await loaders.maintenance(), now()),
    }),
  }),
})

builder.queryFields((t) => ({
  system: t.field({
    type: SystemType,
    description: "The server's clock and version.",
    resolve: (_root, _args, context) => context,
  }),
  streamPosition: t.field({
    type: 'Cursor',
    description:
      'The newest cursor, read before all else of its query: ask for it beside what you show, then subscribe with it as `after`, and nothing falls between.',
    resolve: (_root, _args, { position, stream }) => position ?? stream.position(),
  }),
}))
