import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import type { Instant } from '../../../domain/instant.ts'
import type { PostgresBus } from '../../bus/postgresBus.ts'
import type { Log } from '../../ports.ts'
import type { QueueRows } from '../../queue/graphileQueue.ts'
import type { Store } from '../store.ts'
import { ageing } from './ageing.ts'
import { Changes } from './changes.ts'
import { Database, type Effects, type Reader, type Tx } from './database.ts'
import { deletedJobs } from './deletedJobs.ts'
import { Figures } from './figures.ts'
import { tell } from './hints.ts'
import { instances } from './instances.ts'
import { creating } from './jobs.ts'
import { Logs } from './logs.ts'
import { maintenance } from './maintenance.ts'
import { marks } from './marks.ts'
import { Progress } from './progress.ts'
import { addRings, Rings } from './rings.ts'
import { ledger, revisions } from './ledger.ts'
import { listReads } from './listReads.ts'
import { readsById } from './reads.ts'
import { Room } from './room.ts'
import { RunCommands } from './runCommands.ts'
import { settings } from './settings.ts'
import { Definitions } from './definitions.ts'
import { DoubtfulClaims } from './doubtfulClaims.ts'
import { Planning } from './plans.ts'
import { Running } from './running.ts'
import { Settling } from './settle.ts'
import { Shares } from './shares.ts'
import { Stream } from './stream.ts'
import { Sweep } from './sweep.ts'
import { markUnhandled } from './unhandled.ts'
import { waiting } from './waiting.ts'
import { jobChanges, runChanges } from './streamReads.ts'

/** The store with what the queue of this process needs beside the port. */
export interface PostgresStore extends Store, QueueRows {}

export interface PostgresStoreOptions {
  readonly pool: pg.Pool
  /** For lists: a search that takes long must not keep connections from those who begin and end runs. */
  readonly reads: Reader
  readonly instanceId: string
  readonly bus: PostgresBus
  readonly now: () => Instant
  readonly log: Log
}

/**
 * All of the store over a pool of connections. Any number of processes have one each: rows are locked in one order (locks.ts), and what
 * is remembered in memory is compared with the rows, or is no older than its reader allows.
 */
export async function postgresStore({ pool, reads, instanceId, bus, now, log }: PostgresStoreOptions): Promise<PostgresStore> {
  const room = new Room(log, (claim) => doubtful.note(claim))
  const figures = new Figures(instanceId, now)
  const db = new Database(pool, {
    async beforeCommit(tx: Tx) {
      await addRings(tx, tx.effects.ready)
      await figures.write(tx)
    },
    afterCommit(effects: Effects) {
      // Work first, then hints, then the callers.
      room.deliver(effects.begun)
      tell(bus, effects)
    },
  })
  const databaseId = await settledDatabaseId(db)
  const stream = new Stream(db)
  const rings = new Rings(db)
  const shares = new Shares(db, () => bus.share())
  const changes = new Changes(db)
  const runCommands = new RunCommands(db)
  const logs = new Logs(db)
  const progress = new Progress(db)
  const definitions = new Definitions()
  const planning = new Planning(db, { definitions, room })
  const settling = new Settling(db, definitions)
  const doubtful = new DoubtfulClaims(db, (reports) => settling.settle(reports))
  const running = new Running(db, { room, definitions, doubtful })
  const sweep = new Sweep(db, instanceId)

  return {
    databaseId,
    // commands
    ...creating(db),
    changeJob: changes.changeJob,
    changeRun: runCommands.changeRun,
    ...maintenance(db),
    // running
    appendLogs: logs.appendLogs,
    setProgress: progress.setProgress,
    ...instances(db),
    ...settings(db),
    // planning: whose turn it is
    duePositions: (now, limit) => shares.duePositions(now, limit),
    nextWakeAt: () => shares.nextWakeAt(),
    waiting: (now, limit) => waiting(db, now, limit),
    commitPlans: (plans, now) => planning.commitPlans(plans, now),
    // attempts
    beginReady: (claim, limit) => running.beginReady(claim, limit),
    beginForConsumer: (now, limit) => running.beginForConsumer(now, limit),
    nextReadyAt: (after) => running.nextReadyAt(after),
    renewLeases: (attempts, holder, leaseUntil) => running.renewLeases(attempts, holder, leaseUntil),
    settle: (reports) => settling.settle(reports),
    lostAttempts: (query) => running.lostAttempts(query),
    overdueCancels: (askedBefore, limit) => running.overdueCancels(askedBefore, limit),
    markUnhandled: (query) => markUnhandled(db, query),
    // streams
    streamHead: () => stream.streamHead(),
    streamGiven: () => stream.streamGiven(),
    runChanges: (query) => runChanges(db, query),
    jobChanges: (query) => jobChanges(db, query),
    // reading
    ...readsById(db),
    ...listReads(reads),
    revisions: (jobId) => revisions(db, jobId),
    ledger: (query) => ledger(db, query),
    // keeping
    ...marks(db),
    ...ageing(db),
    ...deletedJobs(db),
    sweepJobs: (query) => sweep.sweepJobs(query),
    // the queue of this process
    attach: (consumer) => room.attach(consumer),
    detach: () => room.detach(),
    anyReady: (runIds) => rings.anyReady(runIds),
    askedToCancel: (instanceId) => rings.askedToCancel(instanceId),
    releaseRings: (instanceIds) => rings.releaseRings(instanceIds),
    async close() {
      progress.close()
      await sweep.close()
    },
  }
}

/** Names this database in cursors, for as long as it lives: whichever process comes first gives the name. */
async function settledDatabaseId(db: Database): Promise<string> {
  await db.write(`INSERT INTO "Setting" (name, value) VALUES ('databaseId', $1) ON CONFLICT (name) DO NOTHING`, [
    randomBytes(9).toString('base64url'),
  ])
  const [row] = await db.rows<{ value: string }>(`SELECT value FROM "Setting" WHERE name = 'databaseId'`)
  return row!.value
}
