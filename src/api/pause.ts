import type { Pause } from '../domain/job.ts'
import { builder } from './builder.ts'

export const PauseType = builder.objectRef<Pause>('Pause').implement({
  description: 'Why nothing fires, since when and until when.',
  fields: (t) => ({
    since: t.field({ type: 'DateTime', description: 'When it began.', resolve: (pause) => pause.since }),
    until: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it ends by itself, exclusive: an instant at this very moment fires. Null: when resumed.',
      resolve: (pause) => pause.until,
    }),
    note: t.exposeString('note', { description: 'Why, for the next person.' }),
    by: t.exposeString('by', { nullable: true, description: 'Who paused. Null: the system itself, after failures in a row.' }),
  }),
})
