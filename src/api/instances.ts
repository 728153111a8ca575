import { type InstanceRow, instanceLifetime, type Role } from '../engine/store/store.ts'
import { builder, described } from './builder.ts'

const RoleType = builder.enumType('Role', {
  description: 'What a process does.',
  values: described<Role>({
    API: 'It answers this API.',
    SCHEDULER: 'It decides what shall run, and when.',
    WORKER: 'It performs attempts.',
  }),
})

const InstanceType = builder.objectRef<InstanceRow>('Instance').implement({
  description: 'A process that is up.',
  fields: (t) => ({
    id: t.exposeID('id', { description: '`ins_…`, as attempts name it; another one after every start.' }),
    roles: t.field({ type: [RoleType], description: 'What it does.', resolve: ({ roles }) => roles }),
    host: t.exposeString('host', { description: 'Name of the machine it runs on.' }),
    version: t.exposeString('version', { description: 'Version of the server.' }),
    startedAt: t.field({ type: 'DateTime', description: 'When it started.', resolve: ({ startedAt }) => startedAt }),
    lastSeenAt: t.field({
      type: 'DateTime',
      description: 'When it last told that it is up: every third of a lease.',
      resolve: ({ lastSeenAt }) => lastSeenAt,
    }),
    running: t.exposeInt('running', { description: 'Attempts it had under way then.' }),
    capacity: t.exposeInt('capacity', { description: 'Attempts it has under way at most.' }),
    clockSkew: t.field({
      type: 'Duration',
      nullable: true,
      description:
        "How far its machine's clock was from the database's then, to either side: it reckons with the database's. Null: not measured, as where there is one process only.",
      resolve: ({ skew }) => (skew === null ? null : Math.abs(skew)),
    }),
  }),
})

builder.queryFields((t) => ({
  instances: t.field({
    type: [InstanceType],
    nullable: true,
    description: 'Processes that are up, the oldest first: those that told so within the last one and a half leases.',
    resolve: (_root, _args, { store, now, lease }) => store.instances(now() - instanceLifetime(lease)),
  }),
}))
