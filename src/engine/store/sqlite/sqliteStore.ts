import { randomBytes } from 'node:crypto'
import type { Database } from 'better-sqlite3'
import type { Instant } from '../../../domain/instant.ts'
import type { Bus } from '../../bus/bus.ts'
import type { Log } from '../../ports.ts'
import type { Consumer } from '../../queue/queue.ts'
import type { RunStarter } from '../../queue/starter.ts'
import { JOB_STREAM_FLOOR, LEDGER_BEGINS, STREAM_FLOOR, STREAM_HEAD } from '../settings.ts'
import type { Store } from '../store.ts'
import { Ageing, SummedFigures } from './ageing.ts'
import { reading } from './availability.ts'
import { Changes } from './changes.ts'
import { Checkpoints } from './checkpoints.ts'
import { ConcurrencyKeys } from './concurrency.ts'
import { Definitions } from './definitions.ts'
import { FigureReads } from './figureReads.ts'
import { Figures } from './figures.ts'
import { Instances } from './instances.ts'
import { JobChanges } from './jobChanges.ts'
import { JobEvents } from './jobEvents.ts'
import { JobList } from './jobList.ts'
import { Jobs } from './jobs.ts'
import { Keeping, REMOVAL_BATCH } from './keeping.ts'
import { Ledger } from './ledger.ts'
import { LogLines } from './logLines.ts'
import { Logs } from './logs.ts'
import { Maintenance } from './maintenance.ts'
import { NewestRuns } from './newestRuns.ts'
import { Plans, type Starting } from './plans.ts'
import { Populations } from './population.ts'
import { Progress } from './progress.ts'
import { Reads } from './reads.ts'
import { ReadyRuns } from './readyRuns.ts'
import { Releases } from './releases.ts'
import { Remembered } from './remembered.ts'
import { RunList } from './runList.ts'
import { Running } from './running.ts'
import { Runs } from './runs.ts'
import { Scanner } from './scan.ts'
import { Settling } from './settle.ts'
import { prepare } from './statement.ts'
import { Marks, Stream, storedHead } from './stream.ts'
import { Sweep } from './sweep.ts'
import { Turns } from './turns.ts'
import { Verdicts } from './verdicts.ts'
import { Unhandled } from './unhandled.ts'
import { type Tx, Writer } from './writer.ts'

/** Attempts begun in one transaction. */
const BEGUN_AT_ONCE = 500

/** The store with what the local queue needs beside the port: in one process the two know each other. */
export interface SqliteStore extends Store, RunStarter {}

export interface SqliteStoreOptions {
  readonly db: Database
  readonly instanceId: string
  readonly bus: Bus
  readonly log: Log
}

/** All of the store over one connection: it is the only writer, and reads between its own transactions. */
export function sqliteStore({ db, instanceId, bus, log }: SqliteStoreOptions): SqliteStore {
  const keys = new ConcurrencyKeys(db)
  const definitions = new Definitions(db)
  const changes = new JobChanges(db)
  const ready = new ReadyRuns(db, definitions)
  const releases = new Releases(db, { keys, ready })
  const runs = new Runs(db, { keys, definitions, releases, ready })
  const verdicts = new Verdicts(db)
  const plans = new Plans(db, { runs, verdicts, releases, changes, ready })
  const jobs = new Jobs(db, changes)
  const maintenance = new Maintenance(db)
  const instances = new Instances(db)
  const commands = new Changes(db, { jobs, runs, plans, verdicts, releases, changes, maintenance, ready })
  const settling = new Settling(db, { runs, definitions, releases, changes })
  const running = new Running(db, { runs, ready })
  const unhandled = new Unhandled(db)
  const figures = new Figures(db, instanceId)
  const logs = new Logs(db)
  const logLines = new LogLines(db)
  const progress = new Progress(db)
  const keeping = new Keeping(db, logs)
  const marks = new Marks(db)
  const sweep = new Sweep(db, { marks, logs })
  const summed = new SummedFigures(db)
  const ageing = new Ageing(db, { marks, figures, summed })
  const reads = new Reads(db)
  const ledger = new Ledger(db)
  const turns = new Turns()
  const scanner = new Scanner(db, turns)
  let commits = 0
  const remembered = new Remembered(() => commits)
  const jobList = new JobList(scanner, remembered)
  const runList = new RunList(scanner, remembered)
  const newestRuns = new NewestRuns(db, turns)
  const stream = new Stream(scanner)
  const figureReads = new FigureReads(db, { summed, turns })
  const populations = new Populations(db, turns)
  const jobEvents = new JobEvents(db)

  const storeHead = prepare(
    db,
    `INSERT INTO "Setting" (name, value) VALUES ('${STREAM_HEAD}', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
  )
  const settleSetting = prepare(db, 'INSERT INTO "Setting" (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING')
  let consumer: Consumer | null = null

  const writer = new Writer(db, storedHead(db), {
    beforeCommit(effects, head) {
      // Counted before the commit, and whether it succeeds or not: nobody reads in between, for a transaction is one piece of work.
      commits++
      figures.write(effects)
      if (head > writer.head) storeHead.run(String(head))
    },
    afterRollback() {
      for (const memory of [keys, definitions, ready, releases, maintenance, figures, logs]) memory.forget()
    },
    afterCommit: () => checkpoints.committed(),
    // A worker that is gone, or breaks its word, has its attempts recovered like those of a process that died.
    deliver(begun) {
      try {
        if (consumer !== null) consumer.deliver(begun)
        else log.warn({ attempts: begun.length }, 'attempts began for a worker that is gone; they are recovered')
      } catch (error) {
        log.error({ err: error, attempts: begun.length }, 'the worker did not take attempts that began; they are recovered')
      }
    },
    publish: (hint) => bus.publish(hint),
  })
  const checkpoints = new Checkpoints(db, () => writer.idle, log)

  /** The room that the worker has left, behind what this transaction has begun for it already. */
  const roomFor = (tx: Tx): number => (consumer === null ? 0 : Math.min(BEGUN_AT_ONCE, consumer.free() - tx.begunBefore))
  const startingFor = (tx: Tx, now: Instant): Starting | null => {
    if (consumer === null) return null
    const claim = { instanceId: consumer.instanceId, now, leaseUntil: consumer.leaseUntil(now), handlers: consumer.handlers() }
    return { claim, room: roomFor(tx) }
  }
  const databaseId = settledDatabaseId()

  function settledDatabaseId(): string {
    settleSetting.run('databaseId', randomBytes(9).toString('base64url'))
    return reads.setting('databaseId')!
  }

  return {
    databaseId,

    createJobs: (newJobs) => writer.write((tx) => jobs.create(tx, newJobs)),
    changeJob: (jobId, decide, options) => writer.write((tx) => commands.changeJob(tx, jobId, decide, options)),
    changeRun: (runId, decide) => writer.write((tx) => commands.changeRun(tx, runId, decide)),
    changeMaintenance: (decide) => writer.write(() => maintenance.change(decide)),

    maintenance: () => reading(() => maintenance.all()),
    duePositions: (now, limit) => reading(() => reads.duePositions(now, limit)),
    nextWakeAt: () => reading(() => reads.nextWakeAt()),
    jobsById: (ids) => reading(() => reads.jobsById(ids)),
    activeRuns: (jobIds) => reading(() => reads.activeRuns(jobIds)),
    commitPlans: (guarded, now) => writer.write((tx) => plans.commit(tx, guarded, now, startingFor(tx, now)), 'FIRST'),

    beginReady: (claim, limit) => writer.write((tx) => running.begin(tx, claim, limit), 'FIRST'),
    nextReadyAt: (after) => reading(() => running.nextReadyAt(after)),
    waiting: (now, limit) => reading(() => running.waiting(now, limit)),
    renewLeases: (attempts, holder, leaseUntil) => writer.write(() => running.renew(attempts, holder, leaseUntil)),
    settle: (reports) => writer.write((tx) => settling.settle(tx, reports), 'LAST'),
    lostAttempts: (query) => reading(() => running.lost(query)),
    overdueCancels: (askedBefore, limit) => reading(() => running.overdueCancels(askedBefore, limit)),
    async markUnhandled(query) {
      const any = await reading(() => unhandled.find({ ...query, limit: 1 }).length > 0)
      return any ? writer.write((tx) => unhandled.mark(tx, query), 'LAST') : 0
    },
    appendLogs: (lines) => writer.write((tx) => logs.append(tx, lines)),
    setProgress: (updates, now) => writer.write((tx) => progress.set(tx, writer, updates, now)),

    registerInstance: (instance, { alone }) => writer.write(() => instances.register(instance, alone)),
    beatInstances: (beats) => writer.write(() => instances.beat(beats)),
    removeInstances: (ids) => writer.write(() => instances.remove(ids)),
    instances: (seenSince) => reading(() => instances.seenSince(seenSince)),
    deadInstances: (seenBefore) => reading(() => instances.seenBefore(seenBefore)),
    handlers: (seenSince) => reading(() => instances.handlers(seenSince)),

    job: (by) => reading(() => reads.job(by)),
    run: (id) => reading(() => reads.run(id)),
    jobRows: (ids) => reading(() => reads.jobRows(ids)),
    runRows: (ids) => reading(() => ids.map((id) => reads.run(id))),
    listJobs: (query) => reading(() => jobList.list(query)),
    countJobs: (filter) => reading(() => jobList.count(filter)),
    listRuns: (query) => reading(() => runList.list(query)),
    countRuns: (filter) => reading(() => runList.count(filter)),
    newestRuns: (jobIds, limit) => reading(() => newestRuns.of(jobIds, limit)),
    attempts: (runIds) => reading(() => reads.attempts(runIds)),
    logLines: (query) => reading(() => logLines.read(query)),

    revisions: (jobId) => reading(() => ledger.revisions(jobId)),
    ledger: (query) => reading(() => ledger.part(query)),
    figures: (query) => reading(() => figureReads.of(query)),
    population: (now) => reading(() => populations.of(now)),

    streamHead: async () => writer.head,
    streamGiven: async () => writer.head,
    streamFloor: () => reading(() => reads.number(STREAM_FLOOR) ?? 0),
    jobStreamFloor: () => reading(() => reads.number(JOB_STREAM_FLOOR) ?? 0),
    runChanges: (query) => reading(() => stream.runChanges(query)),
    jobChanges: (query) => reading(() => jobEvents.read(query)),

    ledgerBegins: () => reading(() => reads.number(LEDGER_BEGINS)),
    async sweepJobs(query) {
      const look = await reading(() => turns.take(() => sweep.look(query)))
      if (look.found.length === 0) return { next: look.next, jobs: look.jobs, removed: 0 }
      return writer.write(() => sweep.remove(look, query.now), 'LAST')
    },
    async rollUpFigures(now, limit) {
      const any = await reading(() => ageing.hasOldMinutes(now))
      return any ? writer.write(() => ageing.rollUp(now, limit), 'LAST') : 0
    },
    removeJobEvents: (now, limit) => writer.write(() => ageing.removeEvents(now, limit), 'LAST'),
    async removeDeleted(limit) {
      let removed = 0
      for (let batch = REMOVAL_BATCH; batch === REMOVAL_BATCH && removed < limit; removed += batch) {
        batch = await writer.write(() => keeping.removeDeleted(Math.min(REMOVAL_BATCH, limit - removed)), 'LAST')
      }
      return removed
    },
    setting: (name) => reading(() => reads.setting(name)),
    settleSetting: (name, value) =>
      writer.write(() => {
        settleSetting.run(name, value)
        return reads.setting(name)!
      }),
    async check() {
      await reading(() => reads.setting('databaseId'))
      if (writer.failure !== null) throw writer.failure
    },
    async close() {
      progress.close()
      writer.close()
      await checkpoints.close()
      db.close()
    },

    attach(worker) {
      consumer = worker
    },
    detach() {
      consumer = null
    },
    beginForConsumer: (now, limit) =>
      writer.write((tx) => {
        const starting = startingFor(tx, now)
        if (starting === null) return 0
        const begun = running.begin(tx, starting.claim, Math.min(starting.room, limit))
        tx.effects.begun.push(...begun)
        return begun.length
      }, 'FIRST'),
  }
}
