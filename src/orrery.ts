import { randomBytes, randomFillSync } from 'node:crypto'
import { hostname } from 'node:os'
import { createCommands } from './commands/commands.ts'
import { type Config, ConfigError } from './config.ts'
import { shownDatabaseUrl } from './databaseUrl.ts'
import { idFactory } from './domain/ids.ts'
import { type Instant, type Milliseconds, SECOND } from './domain/instant.ts'
import { webhookSecret } from './domain/webhookSecret.ts'
import { type Engine, openEngine } from './engine/engine.ts'
import { ROLES, renewalInterval } from './engine/store/store.ts'
import type { Log } from './log.ts'
import { periodicService } from './periodic.ts'
import { recover } from './scheduler/recover.ts'
import { Retention } from './scheduler/retain.ts'
import { Scheduler } from './scheduler/scheduler.ts'
import { createServer } from './server/server.ts'
import type { Service } from './services.ts'
import { Hub } from './stream/hub.ts'
import { createJobStream } from './stream/jobStream.ts'
import { createLogStream } from './stream/logStream.ts'
import { createRunStream } from './stream/runStream.ts'
import { VERSION } from './version.ts'
import { Presence } from './worker/presence.ts'
import { createPerformers, type TargetPerformers } from './worker/targets/performers.ts'
import { Worker } from './worker/worker.ts'

/** Rows of deleted jobs removed in one transaction. */
const REMOVAL_BATCH = 500

/** How often streams ask the store although no hint came. */
const STREAM_POLL: Milliseconds = SECOND

/** The whole product in one process. */
export interface Orrery {
  /** Resolves when it answers; rejects with what kept it from starting. */
  start(): Promise<{ readonly url: string }>
  /** Ends what was started, the newest first. Safe at any moment, also in the middle of a start. */
  stop(): Promise<void>
}

export function createOrrery(config: Config, log: Log): Orrery {
  const now = (): Instant => Date.now()
  // Leases are about time that passes, not about what a clock shows: this one never jumps.
  const leaseNow = (): Instant => Math.round(performance.timeOrigin + performance.now())
  const random = Math.random
  const running: Service[] = []

  async function begin(service: Service): Promise<void> {
    // First into the list: a service that fails half way is stopped too.
    running.push(service)
    await service.start()
    log.debug({ service: service.name }, 'started')
  }

  /** Makes all parts, each from those before it; nothing of them runs yet. `services` are in the order of their start. */
  function assemble(engine: Engine, performers: TargetPerformers, instanceId: string) {
    const { store, queue, bus } = engine
    const commands = createCommands({ store, now, targetRules: performers.rules })
    const hub = new Hub(store, bus, log, STREAM_POLL)
    const stream = createRunStream({ store, bus, log, hub })
    const jobStream = createJobStream({ store, bus, log })
    const logStream = createLogStream({ store, bus, hub })
    const scheduler = new Scheduler({ store, bus, log, now, randomBytes: (bytes) => randomFillSync(bytes) })
    const worker = new Worker({
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
      now,
      leaseNow,
      random,
    })
    const presence = new Presence({
      store,
      log,
      now,
      instance: {
        id: instanceId,
        roles: ROLES,
        host: hostname(),
        version: VERSION,
        capacity: config.concurrency,
        handlers: performers.handlers,
      },
      running: () => worker.running,
      skew: engine.clock.skew,
      alone: engine.kind === 'SQLITE',
    })
    const retention = new Retention({ store, rules: config.retention, now })
    const recovering = { store, log, now, leaseNow, random }
    const server = createServer({
      config,
      log,
      services: {
        store,
        prisma: engine.prisma,
        engineKind: engine.kind,
        commands,
        handlers: () => performers.knownHandlers.list(),
        stream,
        logStream,
        jobStream,
        now,
        lease: config.lease,
        version: VERSION,
      },
      readiness: () => readiness(engine, scheduler, worker),
    })
    const periodic = periodicService(
      [
        {
          name: 'leases',
          every: renewalInterval(config.lease),
          // Renewal first: a process that was stopped for a while must not take its own attempts for lost.
          runOnce: async () => {
            await worker.renewLeases()
            await recover(recovering, { everything: false })
          },
        },
        { name: 'presence', every: renewalInterval(config.lease), runOnce: () => presence.beat() },
        { name: 'removal', every: 5 * SECOND, runOnce: () => removeDeleted(engine) },
        { name: 'retention', every: 2 * SECOND, runOnce: () => retention.runOnce() },
      ],
      log,
    )
    return { recovering, server, services: [presence, worker, scheduler, periodic, server] }
  }

  return {
    async start() {
      const instanceId = idFactory((bytes) => randomFillSync(bytes))('ins', now())
      const engine = await openEngine({
        databaseUrl: config.databaseUrl,
        readUrl: config.databaseReadUrl,
        connections: config.databaseConnections,
        instanceId,
        log,
      })
      running.push(closing('engine', () => engine.close()))

      const signingSecret = config.signingSecret ?? (await engine.store.settleSetting('signingSecret', webhookSecret(randomBytes(32))))
      const performers = await createPerformers({
        allowTargets: config.allowTargets,
        allowCommands: config.allowCommands,
        handlersFolder: config.handlers,
        signingSecret,
        log,
      }).catch((error: Error) => {
        // A module that does not load, an executable that is none: the operator's to mend, like any other setting.
        throw new ConfigError([error.message])
      })
      running.push(closing('targets', () => performers.close()))

      const parts = assemble(engine, performers, instanceId)
      // What a dead process left is ended before anything new begins; the API answers last, when all behind it does.
      await recover(parts.recovering, { everything: true })
      for (const service of parts.services) await begin(service)
      // Not before: a start need not wait for what the first HTTP request would, and that request shall not either.
      performers.warmUp().catch((error: unknown) => log.error({ err: error }, 'what HTTP targets need could not be loaded'))
      log.info({ url: parts.server.url, instanceId, version: VERSION, database: shownDatabaseUrl(config.databaseUrl) }, 'ready')
      return { url: parts.server.url }
    },

    async stop() {
      for (let service = running.pop(); service !== undefined; service = running.pop()) {
        const { name } = service
        await service.stop().catch((error: unknown) => log.error({ err: error, service: name }, 'a service did not stop cleanly'))
        log.debug({ service: name }, 'stopped')
      }
    },
  }
}

function closing(name: string, close: () => Promise<void>): Service {
  return { name, start: async () => {}, stop: close }
}

async function readiness(engine: Engine, scheduler: Scheduler, worker: Worker): Promise<Record<string, 'ok' | string>> {
  // Every process writes now and then, if only that it is up: a disk that is full shows without anybody's doing, and so does its end.
  const database = await engine.store.check().then(
    () => 'ok',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
  return { database, scheduler: scheduler.running ? 'ok' : 'stopped', worker: worker.accepting ? 'ok' : 'draining' }
}

/** Removes what is left of deleted jobs, a batch a turn, so that firing goes on between. */
async function removeDeleted({ store }: Engine): Promise<void> {
  while ((await store.removeDeleted(REMOVAL_BATCH)) > 0) await new Promise((resolve) => setImmediate(resolve))
}
