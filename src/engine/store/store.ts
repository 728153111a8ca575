import type { Instant, Milliseconds } from '../../domain/instant.ts'
import type { Job, Pause, Position } from '../../domain/job.ts'
import type { LedgerPart } from '../../domain/ledger.ts'
import type { MaintenanceWrite } from '../../domain/maintenance.ts'
import type { ActiveRun } from '../../domain/run.ts'
import type { Revision } from '../../domain/schedule.ts'
import type { SweepQuery, SweepResult } from './keeping.ts'
import type { JobListFilter, JobListQuery, LedgerQuery, LogLineQuery, RunListFilter, RunListQuery } from './lists.ts'
import type { Figures, FiguresQuery, Population } from './figures.ts'
import type { AttemptRow, HandlerRow, InstanceRow, JobEventRow, JobRow, LogLineRow, RunRow } from './rows.ts'
import type {
  NewJob,
  CreateResult,
  JobSnapshot,
  JobWrite,
  ChangeResult,
  RunSnapshot,
  RunWrite,
  RunChangeResult,
  GuardedPlan,
  Claim,
  AttemptKey,
  BegunAttempt,
  AttemptReport,
  SettleResult,
  NewLogLine,
  SnapshotOptions,
  InstanceBeat,
  NewInstance,
  Waiting,
  UnhandledQuery,
} from './writes.ts'

// The port is this file; its vocabulary stands in those beside it and is known through it alone.
export type * from './figures.ts'
export type * from './keeping.ts'
export * from './lists.ts'
export * from './rows.ts'
export type * from './writes.ts'

/**
 * The durable record, in the words of the domain. One contract suite (test/engine) holds for every engine.
 *
 * - Verbs are plural and cost one transaction a batch; calls made in the same turn of the loop share one commit, and an error of one
 *   is answered to that caller alone.
 * - A promise resolves only after the commit is durable.
 * - Pure functions given to a verb run inside its transaction: they must be synchronous, free of effects, and may run again.
 * - Every change of a run and every command on a job takes the next position of the one stream of changes, in commit order.
 * - After a commit the engine sends hints over its bus; hints carry no truth.
 */
export interface Store {
  // ------------------------------------------------------------------ commands

  /** Stores new jobs, each with its first revision and position. A name that lives already answers `name-taken` with its job. */
  createJobs(jobs: readonly NewJob[]): Promise<readonly CreateResult[]>

  /**
   * Reads a job with its position and active runs, lets `decide` say what to write, and writes it, in one transaction in which nobody
   * else changes that job. `decide` gets null where no such job lives.
   */
  changeJob<Refusal>(
    jobId: string,
    decide: (current: JobSnapshot | null) => JobWrite | { readonly refuse: Refusal },
    options?: SnapshotOptions,
  ): Promise<ChangeResult<Refusal>>

  /** As changeJob, for one run and its job. `decide` gets null where no such run is, or its job was deleted. */
  changeRun<Refusal>(
    runId: string,
    decide: (current: RunSnapshot | null) => RunWrite | { readonly refuse: Refusal },
  ): Promise<RunChangeResult<Refusal>>

  /**
   * Reads the newest pause of the whole scheduling, lets `decide` say what to write, and writes it, in one transaction in which nobody
   * else changes it. A window is known by its `since`: another one is added, the same one replaced. `null`: nothing is written.
   */
  changeMaintenance(decide: (newest: Pause | null) => MaintenanceWrite | null): Promise<void>

  // ------------------------------------------------------------------ planning

  /** All pauses of the whole scheduling that are kept, earliest first: those that ended long ago, and the one that may be standing. */
  maintenance(): Promise<readonly Pause[]>

  /** Positions with `wakeAt` at or before `now`, earliest first. */
  duePositions(now: Instant, limit: number): Promise<readonly Position[]>
  /** The earliest `wakeAt` of all living jobs. */
  nextWakeAt(): Promise<Instant | null>
  /** Jobs by id, in no order; those that do not live are left out. */
  jobsById(ids: readonly string[]): Promise<readonly Job[]>
  /** The active runs of these jobs, by job id, earliest due first. */
  activeRuns(jobIds: readonly string[]): Promise<ReadonlyMap<string, readonly ActiveRun[]>>
  /**
   * Writes plans. Each is guarded by the position it was made from (`from`): where that has moved,
   * nothing of the plan is written and it answers false; somebody else planned it or the job changed, a normal answer.
   * Runs that may start and that this process has room for are begun in the same commit, where the engine can.
   */
  commitPlans(plans: readonly GuardedPlan[], now: Instant): Promise<readonly boolean[]>

  // ------------------------------------------------------------------ running

  /**
   * Begins up to `limit` runs that may start now: QUEUED, not held, due; and RETRYING ones whose wait is over. Highest priority first,
   * then dueAt. Runs whose job, as it is now, names a handler that the claim has not are passed over.
   */
  beginReady(claim: Claim, limit: number): Promise<readonly BegunAttempt[]>
  /**
   * When the next waiting run may start, after `after`: the least dueAt of QUEUED unheld and nextAttemptAt of RETRYING runs. What might
   * start by then already waits for room or for its handler, not for an instant.
   */
  nextReadyAt(after: Instant): Promise<Instant | null>
  /** How many runs might start now and wait all the same: for room, or for a handler. At most `limit` are counted. */
  waiting(now: Instant, limit: number): Promise<Waiting>
  /** Prolongs leases. `false`: the attempt is not this claim's any more. `cancel`: its run was asked to cancel. */
  renewLeases(
    attempts: readonly AttemptKey[],
    instanceId: string,
    leaseUntil: Instant,
  ): Promise<readonly { readonly held: boolean; readonly cancel: boolean }[]>
  /**
   * Ends attempts: reads each run, lets domain/settle decide, and writes it fenced by the attempt. Releases held runs, moves the job's
   * position and the figures of the minute in the same transaction. An attempt that is not RUNNING any more answers `stale`, unchanged; so
   * does one whose lease goes on although its report says that it has run out.
   */
  settle(reports: readonly AttemptReport[]): Promise<readonly SettleResult[]>
  /** RUNNING attempts whose lease ran out before `now`, or all of them where `everything` (one process holds the database and just started). */
  lostAttempts(query: { readonly now: Instant; readonly everything: boolean; readonly limit: number }): Promise<readonly AttemptKey[]>
  /** RUNNING attempts of runs asked to cancel before `askedBefore`, whoever holds them. */
  overdueCancels(askedBefore: Instant, limit: number): Promise<readonly AttemptKey[]>
  /** Appends log lines, in order. The store numbers them within their run. Lines of a run that is gone are dropped. */
  appendLogs(lines: readonly NewLogLine[]): Promise<void>
  /**
   * Has runs that might have started before `since`, but whose job names a handler that nobody has, say so: their error gets the code
   * NO_HANDLER (`noHandler` in domain/run), which the begin of an attempt clears. QUEUED unheld ones and RETRYING ones, at most `limit`,
   * none that says so already. Each is a change in the stream. Answers how many.
   */
  markUnhandled(query: UnhandledQuery): Promise<number>
  /** Sets progress, 0..100, of attempts still RUNNING. */
  setProgress(updates: readonly (AttemptKey & { readonly progress: number })[], now: Instant): Promise<void>

  // ------------------------------------------------------------------ instances

  /** Tells that a process is up. `alone`: no other can be, so the rows of all others are removed. */
  registerInstance(instance: NewInstance, options: { readonly alone: boolean }): Promise<void>
  /** Answers the ids that have a row, in the order given. One without was taken for dead: it registers again. */
  beatInstances(beats: readonly InstanceBeat[]): Promise<readonly string[]>
  removeInstances(ids: readonly string[]): Promise<void>
  /** Processes seen at or after `seenSince`, by id: the oldest first. */
  instances(seenSince: Instant): Promise<readonly InstanceRow[]>
  /** Processes last seen before `seenBefore`, by id. */
  deadInstances(seenBefore: Instant): Promise<readonly string[]>
  /** What the workers seen at or after `seenSince` can perform, by name. Where two describe a handler differently, the newest started is right. */
  handlers(seenSince: Instant): Promise<readonly HandlerRow[]>

  // ------------------------------------------------------------------ reading

  job(by: { readonly id: string } | { readonly name: string }): Promise<JobRow | null>
  run(id: string): Promise<RunRow | null>
  /** Rows by id in the order asked, null where there is none. */
  jobRows(ids: readonly string[]): Promise<readonly (JobRow | null)[]>
  runRows(ids: readonly string[]): Promise<readonly (RunRow | null)[]>
  /** One page by keyset. At most `limit` rows; the caller asks for one more than it shows. Rows may be shared by all who read them. */
  listJobs(query: JobListQuery): Promise<readonly JobRow[]>
  /** How many jobs match, or null above 10,000. */
  countJobs(filter: JobListFilter): Promise<number | null>
  listRuns(query: RunListQuery): Promise<readonly RunRow[]>
  countRuns(filter: RunListFilter): Promise<number | null>
  /** The newest runs of each of these jobs, newest first, at most `limit` of each. */
  newestRuns(jobIds: readonly string[], limit: number): Promise<readonly (readonly RunRow[])[]>
  /** The attempts of runs, by run id, first to newest. */
  attempts(runIds: readonly string[]): Promise<ReadonlyMap<string, readonly AttemptRow[]>>
  /** Log lines of a run by number; none where there is no such run. At most `limit`; the caller asks for one more than it shows. */
  logLines(query: LogLineQuery): Promise<readonly LogLineRow[]>

  // ------------------------------------------------------------------ the ledger

  /** The schedules of a job as they stood, oldest first. */
  revisions(jobId: string): Promise<readonly Revision[]>
  /**
   * What the ledger of a job says of the instants strictly between two, as it stands at one moment. Rows that reach over an edge are
   * answered whole. At most `limit` runs and as many shared rows, the first or (fromEnd) the last of each.
   */
  ledger(query: LedgerQuery): Promise<LedgerPart>

  // ------------------------------------------------------------------ figures

  /**
   * Figures by bucket, earliest first. They are kept by the minute, and after a week by the hour alone: a minute or such an hour counts
   * whole, in the bucket that it begins in; one that was under way at `from`, in the first.
   */
  figures(query: FiguresQuery): Promise<readonly Figures[]>
  /** Counted in slices, hence at no single moment, and remembered for some seconds whatever is committed meanwhile. */
  population(now: Instant): Promise<Population>

  // ------------------------------------------------------------------ streams

  /** All changes up to this position are committed, and can be read by whoever looks now. Never goes back within a process. */
  streamHead(): Promise<number>
  /** The highest position that any change has, also of those that are not committed yet: a cursor above it is not of this stream. */
  streamGiven(): Promise<number>
  /** Names this database in cursors. */
  readonly databaseId: string
  /** The lowest position that changes of runs can still be resumed from: the highest that retention removed. */
  streamFloor(): Promise<number>
  /** The same for commands on jobs. */
  jobStreamFloor(): Promise<number>
  /** Runs whose newest change is in (after, upTo], by that change, at most `limit`. */
  runChanges(query: {
    readonly after: number
    readonly upTo: number
    readonly jobIds: readonly string[] | null
    readonly limit: number
  }): Promise<readonly RunRow[]>
  /** Changes of jobs in (after, upTo], in order, at most `limit`. */
  jobChanges(query: { readonly after: number; readonly upTo: number; readonly limit: number }): Promise<readonly JobEventRow[]>

  // ------------------------------------------------------------------ keeping

  /** The instant from which on the ledger is whole: what was before it may have been removed by age. Null: nothing was. */
  ledgerBegins(): Promise<Instant | null>
  /**
   * Removes what has had its time, of the next few jobs by id, a few hundred rows at the most: finished runs (domain/retention) with their
   * attempts and log lines, and rows of the ledger and hours of figures that are too old. A run leaves its verdict in the ledger, and
   * raises the floor of the stream, in the same transaction.
   */
  sweepJobs(query: SweepQuery): Promise<SweepResult>
  /** Sums figures by the minute up by the hour once that is over, and removes those older than a week, at most `limit`; answers how many. */
  rollUpFigures(now: Instant, limit: number): Promise<number>
  /** Removes commands on jobs that are older than the ledger from their stream, at most `limit`; answers how many. */
  removeJobEvents(now: Instant, limit: number): Promise<number>
  /** Removes rows of deleted jobs, at most `limit` rows; answers how many went. */
  removeDeleted(limit: number): Promise<number>
  setting(name: string): Promise<string | null>
  /** Stores `value` where `name` has none; answers what now stands there. */
  settleSetting(name: string, value: string): Promise<string>
  /** Resolves where the record can be read and its newest write was stored; rejects with StoreUnavailable where not. */
  check(): Promise<void>
  close(): Promise<void>
}

/**
 * Reads of lists, of history and of figures: nobody decides by them, and each is true by itself, whenever it was. Hence they may be made
 * from a copy of the database that lags behind.
 */
export type Lists = Pick<Store, 'listJobs' | 'countJobs' | 'listRuns' | 'countRuns' | 'newestRuns' | 'logLines' | 'figures' | 'population'>

/** Renewal needs a margin: a third of the lease. */
export function renewalInterval(lease: Milliseconds): Milliseconds {
  return Math.floor(lease / 3)
}

/** A process that was not seen for so long is taken for dead: by then its leases have run out, and others have taken over. */
export function instanceLifetime(lease: Milliseconds): Milliseconds {
  return Math.ceil(lease * 1.5)
}
