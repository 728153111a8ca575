import { randomBytes, randomFillSync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { assemble, type Assembly, toldHandlers } from './assembly.ts'
import { type Config, ConfigError } from './config.ts'
import { shownDatabaseUrl } from './databaseUrl.ts'
import { idFactory } from './domain/ids.ts'
import { type Milliseconds, SECOND } from './domain/instant.ts'
import { webhookSecret } from './domain/webhookSecret.ts'
import { type Engine, openEngine } from './engine/engine.ts'
import { StoreUnavailable } from './engine/errors.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import { createServer, type Server } from './server/server.ts'
import { addSystemMetrics } from './server/systemMetrics.ts'
import type { Service } from './services.ts'
import { VERSION } from './version.ts'
import { createPerformers, type TargetPerformers } from './worker/targets/performers.ts'

/** A database that is away at the start is asked again after so long, then after twice as long, up to the longest. */
const FIRST_WAIT: Milliseconds = 250
const LONGEST_WAIT: Milliseconds = 5 * SECOND

/** One process of the product, with its roles. */
export interface Orrery {
  /**
   * Resolves when it does its work; rejects with what kept it from starting. A database that is away is waited for: meanwhile the process
   * is alive and not ready.
   */
  start(): Promise<{ readonly url: string }>
  /** Ends what was started, the newest first. Safe at any moment, also in the middle of a start, which then rejects. */
  stop(): Promise<void>
}

export function createOrrery(config: Config, log: Log): Orrery {
  const running: Service[] = []
  const metrics = createMetrics()
  const stopping = new AbortController()
  let server: Server | null = null
  let engine: Engine | null = null
  let assembly: Assembly | null = null
  /** Why it is not ready yet. */
  let waitsFor = 'not open yet'

  async function begin(service: Service): Promise<void> {
    // First into the list: a service that fails half way is stopped too.
    running.push(service)
    await service.start()
    log.debug({ service: service.name }, 'started')
  }

  /** Listens for those who watch the process; the API follows when there is something to answer with. */
  async function listen(): Promise<Server> {
    addSystemMetrics(metrics, {
      engine: () => engine,
      lease: config.lease,
      worker: () => (assembly?.worker ? { running: assembly.worker.running, capacity: config.concurrency } : null),
      plans: () => assembly?.scheduler?.plans ?? null,
    })
    server = createServer({
      config,
      log,
      readiness: async () => assembly?.readiness() ?? { database: waitsFor },
      metrics,
    })
    await server.start()
    log.info({ url: server.url }, 'listening')
    return server
  }

  /** Does what needs the database, again and again while that is away. Rejects when the process shall stop. */
  async function withDatabase<T>(work: () => Promise<T>): Promise<T> {
    for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
      stopping.signal.throwIfAborted()
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        waitsFor = error.message
        log.warn({ reason: error.message, retryInMs: wait }, 'the database is away; waiting for it')
        await pause(wait, stopping.signal)
      }
    }
  }

  async function open(instanceId: string): Promise<Engine> {
    const { databaseUrl, databaseReadUrl: readUrl, databaseConnections: connections } = config
    const opened = await withDatabase(() => openEngine({ databaseUrl, readUrl, connections, instanceId, log }))
    running.push({ name: 'engine', start: async () => {}, stop: () => opened.close() })
    return opened
  }

  async function performersFor(opened: Engine): Promise<TargetPerformers | null> {
    if (!config.roles.includes('api') && !config.roles.includes('worker')) return null
    const settle = () => opened.store.settleSetting('signingSecret', webhookSecret(randomBytes(32)))
    const performers = await createPerformers({
      allowTargets: config.allowTargets,
      allowCommands: config.allowCommands,
      handlersFolder: config.handlers,
      signingSecret: config.signingSecret ?? (await withDatabase(settle)),
      toldHandlers: toldHandlers(opened, config),
      log,
    }).catch((error: Error) => {
      // A module that does not load, an executable that is none: the operator's to mend, like any other setting.
      throw new ConfigError([error.message])
    })
    running.push({ name: 'targets', start: async () => {}, stop: () => performers.close() })
    return performers
  }

  async function end(service: Service): Promise<void> {
    const { name } = service
    await service.stop().catch((error: unknown) => log.error({ err: error, service: name }, 'a service did not stop cleanly'))
    log.debug({ service: name }, 'stopped')
  }

  async function endAll(): Promise<void> {
    for (let service = running.pop(); service !== undefined; service = running.pop()) await end(service)
  }

  async function startAll(): Promise<{ readonly url: string }> {
    const listening = await listen()
    const instanceId = idFactory((bytes) => randomFillSync(bytes))('ins', Date.now())
    const opened = await open(instanceId)
    engine = opened
    const performers = await performersFor(opened)
    const parts = assemble({ config, log, engine: opened, performers, instanceId })
    // What a dead process left is ended before anything new begins; the API answers last, when all behind it does.
    if (opened.kind === 'SQLITE') await withDatabase(() => parts.recoverAll())
    for (const service of parts.services) {
      stopping.signal.throwIfAborted()
      await begin(service)
    }
    if (parts.api !== null) {
      const { createGraphqlService } = await import('./server/graphqlService.ts')
      listening.serve(createGraphqlService({ config, log, services: parts.api, bus: opened.bus, metrics }))
    }
    assembly = parts
    // Not before: a start need not wait for what the first HTTP request would, and that request shall not either.
    performers?.warmUp().catch((error: unknown) => log.error({ err: error }, 'what HTTP targets need could not be loaded'))
    const { url } = listening
    log.info({ url, instanceId, version: VERSION, roles: config.roles, database: shownDatabaseUrl(config.databaseUrl) }, 'ready')
    return { url }
  }

  return {
    async start() {
      try {
        return await startAll()
      } catch (error) {
        // The stop may have been over before the last of this was there.
        if (stopping.signal.aborted) await endAll()
        throw error
      }
    },

    async stop() {
      stopping.abort(new Error('the process stops'))
      if (server !== null) {
        // Whoever answers the API closes its door first: no new work is taken while the old ends. Of others, the way can be watched.
        server.drain()
        if (config.roles.includes('api')) await end(server)
        else running.unshift(server)
      }
      await endAll()
    },
  }
}

/** Resolves after a while; rejects at once when the signal says so. */
async function pause(wait: Milliseconds, signal: AbortSignal): Promise<void> {
  await sleep(wait, undefined, { signal }).catch(() => signal.throwIfAborted())
}
