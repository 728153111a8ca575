import { instantsOf } from './instants.ts'
import type { JobRecord, RunRecord, Tables, VerdictRecord } from './tables.ts'

/** What the ledger holds against what the schedules asked for, counted instant by instant. */
export interface LedgerCount {
  readonly jobs: number
  readonly planned: number
  readonly missing: number
  readonly duplicated: number
  readonly runs: number
  readonly verdicts: Readonly<Record<string, number>>
  readonly rows: number
  /** Everything that is not as it must be, in words; empty on a healthy system. */
  readonly problems: readonly string[]
}

/** Walks the instants of every revision of every job that lives, up to where its planner stands, and looks each up in the record. */
export function countLedger(tables: Tables): LedgerCount {
  const problems: string[] = []
  const verdicts: Record<string, number> = {}
  let planned = 0
  let missing = 0
  let duplicated = 0
  let runs = 0
  let rows = 0
  const living = tables.jobs.filter(({ deletedAt }) => deletedAt === null)
  for (const job of living) {
    const instants = plannedInstants(tables, job)
    planned += instants.length
    const given = new Map<number, string[]>()
    const note = (instant: number, verdict: string): void => {
      const known = given.get(instant)
      if (known === undefined) given.set(instant, [verdict])
      else known.push(verdict)
    }
    for (const run of tables.runsOf.get(job.id) ?? []) {
      if (run.occurrence === null || run.counted === 0) continue
      runs += 1
      note(run.occurrence, `RUN ${run.id}`)
    }
    for (const row of tables.verdicts.get(job.id) ?? []) {
      rows += 1
      verdicts[row.verdict] = (verdicts[row.verdict] ?? 0) + row.count
      if (row.reason === null && row.runId === null) problems.push(`${job.name}: ${told(row)} has neither a reason nor a run`)
      const covered = instantsOfRow(instants, row)
      if (covered.length !== row.count || covered[0] !== row.first || covered.at(-1) !== row.last)
        problems.push(`${job.name}: ${told(row)} stands for ${covered.length} instants`)
      for (const instant of covered) note(instant, row.verdict)
    }
    const holes = instants.filter((instant) => !given.has(instant))
    missing += holes.length
    if (holes.length > 0)
      problems.push(`${job.name} (${job.id}): ${holes.length} instants from ${iso(holes[0]!)} to ${iso(holes.at(-1)!)} are missing`)
    for (const instant of instants) {
      const verdictsOfIt = given.get(instant) ?? []
      given.delete(instant)
      if (verdictsOfIt.length < 2) continue
      duplicated += verdictsOfIt.length - 1
      problems.push(`${job.name} (${job.id}): ${iso(instant)} has ${verdictsOfIt.join(' and ')}`)
    }
    for (const [instant, what] of given)
      problems.push(`${job.name} (${job.id}): ${iso(instant)} was never planned, but has ${what.join(' and ')}`)
  }
  problems.push(...unlikeRuns(tables))
  return { jobs: living.length, planned, missing, duplicated, runs, verdicts, rows, problems }
}

function plannedInstants(tables: Tables, job: JobRecord): number[] {
  return (tables.revisions.get(job.id) ?? []).flatMap(({ schedule, from, until }) =>
    instantsOf(schedule, from, Math.min(until ?? Number.POSITIVE_INFINITY, job.plannedUntil)),
  )
}

function instantsOfRow(instants: readonly number[], { first, last }: VerdictRecord): readonly number[] {
  return instants.filter((instant) => instant >= first && instant <= last)
}

/** Runs that contradict each other or the narrow row of their job. */
function unlikeRuns(tables: Tables): string[] {
  const problems: string[] = []
  for (const job of tables.jobs) {
    const runs = tables.runsOf.get(job.id) ?? []
    const occurrences = runs.flatMap(({ occurrence }) => (occurrence === null ? [] : [occurrence]))
    if (new Set(occurrences).size !== occurrences.length) problems.push(`${job.name} (${job.id}): an occurrence has two runs`)
    const active = runs.filter(({ finishedAt }) => finishedAt === null).length
    if (active !== job.activeRuns) problems.push(`${job.name} (${job.id}): ${active} runs are active, its position says ${job.activeRuns}`)
    const keys = runs.flatMap(({ idempotencyKey }) => (idempotencyKey === null ? [] : [idempotencyKey]))
    if (new Set(keys).size !== keys.length) problems.push(`${job.name} (${job.id}): an idempotency key has two runs`)
  }
  return problems
}

const FINAL = new Set(['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED'])

/**
 * Runs that are neither ended nor active for a reason that the tables show. `now`: when the workers began to stop, since what is due or
 * interrupted after that waits for their next start; `capacity`: of the workers.
 */
export function unexplainedRuns(tables: Tables, now: number, capacity: number): string[] {
  const active = tables.runs.filter(({ finishedAt }) => finishedAt === null)
  const full = active.filter(({ status }) => status === 'RUNNING').length >= capacity
  const wrong = tables.runs.filter(({ finishedAt, status }) => FINAL.has(status) !== (finishedAt !== null))
  const byJob = Map.groupBy(active, ({ jobId }) => jobId)
  const starting = active.filter(({ heldBy }) => heldBy === null)
  const reasonOf = (run: RunRecord): string | null => {
    if (run.status === 'RUNNING') return run.leaseUntil === null ? null : 'is being performed'
    if (run.status === 'RETRYING') return full || (run.nextAttemptAt ?? 0) >= now ? 'waits for its next attempt' : null
    if (run.heldBy === 'OVERLAP') return byJob.get(run.jobId)!.some((other) => other !== run) ? 'waits for another run of its job' : null
    if (run.heldBy === 'CONCURRENCY')
      return starting.some((other) => other.concurrencyKey === run.concurrencyKey) ? 'waits for a slot' : null
    return full || run.dueAt >= now ? 'waits for room, or is not due' : null
  }
  return [...wrong.map((run) => `${run.id} is ${run.status} and finishedAt is ${run.finishedAt}`)].concat(
    active
      .filter((run) => reasonOf(run) === null)
      .map((run) => `${run.id} of ${run.jobId} is ${run.status}, held by ${run.heldBy}, and nothing says why`),
  )
}

function told({ verdict, first, last, count }: VerdictRecord): string {
  return `${verdict} ${iso(first)} to ${iso(last)} ×${count}`
}

function iso(instant: number): string {
  return Number.isFinite(instant) ? new Date(instant).toISOString() : String(instant)
}
