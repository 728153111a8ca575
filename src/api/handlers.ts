import type { HandlerDescription } from '../worker/handlers/registry.ts'
import { builder } from './builder.ts'

const HandlerType = builder.objectRef<HandlerDescription>('Handler').implement({
  description: "A function in code that a job's target can name.",
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What targets name it by.' }),
    description: t.exposeString('description', { nullable: true, description: 'What it does. Null: it does not say.' }),
    payloadSchema: t.field({
      type: 'JSON',
      nullable: true,
      description: 'JSON Schema of the payload, where the handler declares one.',
      resolve: (handler) => handler.payloadSchema,
    }),
  }),
})

builder.queryField('handlers', (t) =>
  t.field({
    type: [HandlerType],
    nullable: true,
    description: "Handlers that a job's target can name on this system.",
    resolve: async (_root, _args, { handlers }) => [...(await handlers())],
  }),
)
