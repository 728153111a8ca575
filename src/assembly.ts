import { randomFillSync } from 'node:crypto'
import { hostname } from 'node:os'
import type { ApiServices } from './api/context.ts'
import { createCommands } from './commands/commands.ts'
import type { Config } from './config.ts'
import { SECOND } from './domain/instant.ts'
import type { Engine } from './engine/engine.ts'
import { instanceLifetime, renewalInterval, type Role } from './engine/store/store.ts'
import type { Log } from './log.ts'
import { type PeriodicTask, periodicService } from './periodic.ts'
import { Census } from './scheduler/census.ts'
import { recover } from './scheduler/recover.ts'
import { Retention } from './scheduler/retain.ts'
import { Scheduler } from './scheduler/scheduler.ts'
import { UnhandledRuns } from './scheduler/unhandledRuns.ts'
import { Watch } from './scheduler/watch.ts'
import type { Service } from './services.ts'
import { Hub } from './stream/hub.ts'
import { createJobStream } from './stream/jobStream.ts'
import { createLogStream } from './stream/logStream.ts'
import { createRunStream } from './stream/runStream.ts'
import { watchHead } from './stream/watchedHead.ts'
import { VERSION } from './version.ts'
import { Presence } from './worker/presence.ts'
import type { TargetPerformers } from './worker/targets/performers.ts'
import { Worker } from './worker/worker.ts'

/** Rows of deleted jobs removed in one transaction. */
const REMOVAL_BATCH = 500
/** How often streams ask the store although no hint came. */
const STREAM_POLL = SECOND

export interface AssemblyDeps {
  readonly config: Config
  readonly log: Log
  readonly engine: Engine
  /** For the roles api and worker. */
  readonly performers: TargetPerformers | null
  readonly instanceId: string
}

/** What the roles of a process make of an engine; nothing of it runs yet. */
export interface Assembly {
  /** In the order of their start. */
  readonly services: readonly Service[]
  /** For the API, where this process answers it. */
  readonly api: ApiServices | null
  readonly worker: Worker | null
  readonly scheduler: Scheduler | null
  /** Ends every attempt under way. For a process that is alone with its database, before anything else. */
  recoverAll(): Promise<void>
  /** Of what the process needs to do its work, `ok` or what is wrong with it. */
  readiness(): Promise<Record<string, string>>
}

export function assemble({ config, log, engine, performers, instanceId }: AssemblyDeps): Assembly {
  const { store, clock } = engine
  const now = () => clock.now()
  const leaseNow = () => clock.leaseNow()
  const random = Math.random
  const has = (role: Config['roles'][number]) => config.roles.includes(role)
  const worker = has('worker') && performers !== null ? workerOf({ config, log, engine, performers, instanceId }) : null
  const watch = new Watch(config.lease)
  const recovering = { store, log, now, leaseNow, random }
  const scheduling = has('scheduler') ? schedulingOf({ config, log, engine, instanceId }) : null
  const presence = new Presence({
    store,
    log,
    now,
    instance: {
      id: instanceId,
      roles: config.roles.map((role) => role.toUpperCase() as Role),
      host: hostname(),
      version: VERSION,
      capacity: worker === null ? 0 : config.concurrency,
      handlers: worker === null ? [] : performers!.handlers,
    },
    running: () => worker?.running ?? 0,
    skew: () => clock.skew(),
    alone: engine.kind === 'SQLITE',
  })

  /** Renewal first: a process that was stopped for a while must not take its own attempts for lost. */
  async function tendLeases(): Promise<void> {
    await worker?.renewLeases()
    if (scheduling !== null) await recover(recovering, { everything: false, watch, lease: config.lease })
  }
  const renewal = renewalInterval(config.lease)
  const life: readonly PeriodicTask[] = [
    ...(worker === null && scheduling === null ? [] : [{ name: 'leases', every: renewal, runOnce: tendLeases }]),
    { name: 'presence', every: renewal, runOnce: () => presence.beat() },
  ]

  return {
    services: [
      presence,
      // Ends after the worker: one that waits for attempts under way, perhaps for an hour, is alive and holds them.
      periodicService('signs of life', life, log),
      ...(worker === null ? [] : [worker]),
      ...(scheduling === null ? [] : [scheduling.census, scheduling.scheduler, periodicService('housekeeping', scheduling.tasks, log)]),
    ],
    api: has('api') && performers !== null ? apiOf({ config, log, engine, performers }) : null,
    worker,
    scheduler: scheduling?.scheduler ?? null,
    async recoverAll() {
      await recover(recovering, { everything: true })
    },
    async readiness() {
      // Every process writes now and then, if only that it is up: a disk that is full shows without anybody's doing, and so does its end.
      const database = await store.check().then(
        () => 'ok',
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      )
      return {
        database,
        ...(scheduling === null ? {} : { scheduler: scheduling.scheduler.running ? 'ok' : 'stopped' }),
        ...(worker === null ? {} : { worker: worker.accepting ? 'ok' : 'draining' }),
      }
    },
  }
}

function workerOf({ config, log, engine, performers, instanceId }: AssemblyDeps & { readonly performers: TargetPerformers }): Worker {
  const { store, queue, bus, clock } = engine
  return new Worker({
    store,
    queue,
    bus,
    performers,
    log,
    instanceId,
    concurrency: config.concurrency,
    handlers: new Set(performers.handlers.map(({ name }) => name)),
    lease: config.lease,
    drainTimeout: config.drainTimeout,
    now: () => clock.now(),
    leaseNow: () => clock.leaseNow(),
    random: Math.random,
  })
}

function schedulingOf({ config, log, engine, instanceId }: Omit<AssemblyDeps, 'performers'>) {
  const { store, queue, bus, clock } = engine
  const now = () => clock.now()
  const { lease } = config
  const scheduler = new Scheduler({ store, bus, log, now, randomBytes: (bytes) => randomFillSync(bytes) })
  const census = new Census({ store, queue, log, now, lease, instanceId })
  const retention = new Retention({ store, rules: config.retention, now })
  const unhandled = new UnhandledRuns({ store, log, now, lease })
  /** Work that one scheduler does for all. */
  const housekeeping = (work: () => Promise<unknown>) => async () => {
    if (census.oldest) await work()
  }
  const renewal = renewalInterval(lease)
  const tasks: readonly PeriodicTask[] = [
    { name: 'census', every: renewal, runOnce: () => census.runOnce() },
    { name: 'unhandled runs', every: renewal, runOnce: () => unhandled.runOnce({ mark: census.oldest }) },
    { name: 'removal', every: 5 * SECOND, runOnce: housekeeping(() => removeDeleted(engine)) },
    { name: 'retention', every: 2 * SECOND, runOnce: housekeeping(() => retention.runOnce()) },
  ]
  return { scheduler, census, tasks }
}

function apiOf({
  config,
  log,
  engine,
  performers,
}: Omit<AssemblyDeps, 'instanceId'> & { readonly performers: TargetPerformers }): ApiServices {
  const { bus, clock } = engine
  const { store, onRise } = watchHead(engine.store)
  const hub = new Hub(store, bus, log, STREAM_POLL)
  return {
    store,
    onRise,
    prisma: engine.prisma,
    lists: engine.lists,
    engineKind: engine.kind,
    commands: createCommands({ store, now: () => clock.now(), targetRules: performers.rules }),
    handlers: () => performers.knownHandlers.list(),
    stream: createRunStream({ store, bus, log, hub }),
    jobStream: createJobStream({ store, bus, log }),
    logStream: createLogStream({ store, bus, hub }),
    now: () => clock.now(),
    lease: config.lease,
    version: VERSION,
  }
}

/** What the workers that are up have told that they can perform. */
export function toldHandlers({ store, clock }: Engine, { lease }: Pick<Config, 'lease'>) {
  return () => store.handlers(clock.now() - instanceLifetime(lease))
}

/** Removes what is left of deleted jobs, a batch a turn, so that firing goes on between. */
async function removeDeleted({ store }: Engine): Promise<void> {
  while ((await store.removeDeleted(REMOVAL_BATCH)) > 0) await new Promise((resolve) => setImmediate(resolve))
}
