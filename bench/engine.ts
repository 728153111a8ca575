// node bench/engine.ts [--jobs 10000] [--runs 100000] [--batch 500]
//
// The cost of a run in the embedded engine alone, without scheduler, worker and API: planned and begun in one durable commit, then
// settled in another, in batches. Every run has its history, the job's position and the figures of its minute.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DEFAULT_POLICIES } from '../src/domain/job.ts'
import { openEngine } from '../src/engine/engine.ts'
import type { BegunAttempt, GuardedPlan, NewJob, Store } from '../src/engine/store/store.ts'

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '10000' },
    runs: { type: 'string', default: '100000' },
    batch: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '3' },
  },
})
const JOBS = Number(values.jobs)
const RUNS = Number(values.runs)
const BATCH = Number(values.batch)
const EVERY = 10_000

interface Round {
  readonly planPerSecond: number
  readonly settlePerSecond: number
  readonly runsPerSecond: number
  /** Of this process, in µs: what is left of the figure on a machine that does other things too. */
  readonly cpuPerRun: number
  readonly planMs: { readonly p50: number; readonly p99: number }
  readonly settleMs: { readonly p50: number; readonly p99: number }
}

async function round(): Promise<Round> {
  const folder = mkdtempSync(join(tmpdir(), 'orrery-bench-'))
  const quiet = { info() {}, warn() {}, error: (fields: object, message: string) => console.error(message, fields) }
  const engine = await openEngine({ databaseUrl: `file:${join(folder, 'bench.db')}`, instanceId: 'ins_bench', log: quiet })
  const begun: BegunAttempt[] = []
  engine.queue.start({
    instanceId: 'ins_bench',
    free: () => 1_000_000,
    leaseUntil: (now) => now + 30_000,
    deliver: (attempts) => void begun.push(...attempts),
  })
  try {
    const jobIds = await createJobs(engine.store)
    return await measure(engine.store, jobIds, begun)
  } finally {
    await engine.close()
    rmSync(folder, { recursive: true })
  }
}

async function createJobs(store: Store): Promise<readonly string[]> {
  const now = Date.now()
  const jobs = Array.from({ length: JOBS }, (_, i) => newJob(`job_${String(i).padStart(26, '0')}`, now))
  for (let i = 0; i < jobs.length; i += 1_000) await store.createJobs(jobs.slice(i, i + 1_000))
  return jobs.map(({ job }) => job.id)
}

async function measure(store: Store, jobIds: readonly string[], begun: BegunAttempt[]): Promise<Round> {
  const planTimes: number[] = []
  const settleTimes: number[] = []
  let number = 0
  let next = 0
  let lap = 0
  const start = Math.floor(Date.now() / EVERY) * EVERY
  const positions = await Promise.all(jobIds.map(async (id) => (await store.job({ id }))!.position))
  const plannedUntil = positions.map((position) => position.plannedUntil)
  const cpuBefore = process.cpuUsage()
  while (number < RUNS) {
    const plans: GuardedPlan[] = []
    const instant = start + lap * EVERY
    const now = Date.now()
    for (let i = 0; i < BATCH && next < jobIds.length; i++, next++) {
      const from = { plannedUntil: plannedUntil[next]!, version: 1, activeRuns: 0 }
      plans.push({ plan: planOf(jobIds[next]!, ++number, instant, now), from })
      plannedUntil[next] = instant
    }
    planTimes.push(await timed(() => store.commitPlans(plans, now)))
    if (begun.length !== plans.length) throw new Error(`${begun.length} of ${plans.length} runs began`)
    const reports = begun
      .splice(0)
      .map(({ runId, attempt }) => ({ runId, attempt, outcome: { kind: 'SUCCEEDED', output: null } as const, now: Date.now(), random: 0 }))
    settleTimes.push(await timed(() => store.settle(reports)))
    if (next === jobIds.length) {
      next = 0
      lap += 1
    }
  }
  const cpu = process.cpuUsage(cpuBefore)
  const sum = (times: readonly number[]) => times.reduce((total, time) => total + time, 0) / 1_000
  const [plan, settle] = [sum(planTimes), sum(settleTimes)]
  return {
    planPerSecond: number / plan,
    settlePerSecond: number / settle,
    runsPerSecond: number / (plan + settle),
    cpuPerRun: (cpu.user + cpu.system) / number,
    planMs: spread(planTimes),
    settleMs: spread(settleTimes),
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await work()
  return performance.now() - begin
}

function newJob(id: string, now: number): NewJob {
  const schedule = { kind: 'interval', every: EVERY, anchor: now, startAt: null, endAt: null, maxRuns: null, jitter: null } as const
  return {
    job: {
      id,
      name: id,
      description: null,
      tags: [],
      schedule,
      revision: 1,
      target: { kind: 'handler', handler: 'noop' },
      payload: '{"hello":"world"}',
      policies: DEFAULT_POLICIES,
      pause: null,
      version: 1,
      createdAt: now,
      updatedAt: now,
    },
    revision: { number: 1, schedule, from: now, until: null },
    position: {
      jobId: id,
      version: 1,
      plannedUntil: now - EVERY,
      wakeAt: now + EVERY,
      nextRunAt: now + EVERY,
      scheduledRuns: 0,
      activeRuns: 0,
      trailingVerdictId: null,
      failuresInRow: 0,
      completed: false,
      lastRunId: null,
    },
  }
}

function planOf(jobId: string, number: number, instant: number, now: number): GuardedPlan['plan'] {
  return {
    jobId,
    revision: 1,
    cancels: [],
    entries: [
      {
        kind: 'run',
        run: {
          id: `run_${String(number).padStart(26, '0')}`,
          jobId,
          trigger: 'SCHEDULE',
          occurrence: instant,
          scheduledFor: instant,
          dueAt: Math.min(instant, now),
          queuedAt: now,
          heldBy: null,
          priority: 0,
          concurrencyKey: null,
          maxConcurrency: null,
          coalesced: 0,
          payload: '{"hello":"world"}',
          rerunOfId: null,
          triggeredBy: null,
          idempotencyKey: null,
          idempotencyHash: null,
        },
      },
    ],
    position: {
      plannedUntil: instant,
      wakeAt: instant + EVERY,
      nextRunAt: instant + EVERY,
      scheduledRuns: number,
      completed: false,
      revisionEnds: null,
      pauseEnds: false,
    },
  }
}

function spread(times: readonly number[]): { readonly p50: number; readonly p99: number } {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
  return { p50: at(0.5), p99: at(0.99) }
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!
}

function row(name: string, pick: (round: Round) => number, digits: number): string {
  const numbers = rounds.map(pick)
  const text = (value: number) => value.toLocaleString('en-US', { maximumFractionDigits: digits })
  return `${name.padEnd(34)} ${text(median(numbers)).padStart(10)}   (${text(Math.min(...numbers))}–${text(Math.max(...numbers))})`
}

const rounds: Round[] = []
for (let i = 0; i < Number(values.rounds); i++) rounds.push(await round())

console.log(
  `Embedded engine, ${RUNS.toLocaleString('en-US')} runs of ${JOBS.toLocaleString('en-US')} jobs in batches of ${BATCH}, durable; median (least–greatest) of ${rounds.length}`,
)
console.log(row('plan + begin, runs/s', (one) => one.planPerSecond, 0))
console.log(row('settle, runs/s', (one) => one.settlePerSecond, 0))
console.log(row('both, runs/s', (one) => one.runsPerSecond, 0))
console.log(row('CPU of a run, µs', (one) => one.cpuPerRun, 1))
console.log(row('plan + begin of a batch, p50 ms', (one) => one.planMs.p50, 1))
console.log(row('plan + begin of a batch, p99 ms', (one) => one.planMs.p99, 1))
console.log(row('settle of a batch, p50 ms', (one) => one.settleMs.p50, 1))
console.log(row('settle of a batch, p99 ms', (one) => one.settleMs.p99, 1))
console.log(
  JSON.stringify({
    bench: 'engine',
    jobs: JOBS,
    runs: RUNS,
    batch: BATCH,
    planPerSecond: Math.round(median(rounds.map((one) => one.planPerSecond))),
    settlePerSecond: Math.round(median(rounds.map((one) => one.settlePerSecond))),
    runsPerSecond: Math.round(median(rounds.map((one) => one.runsPerSecond))),
  }),
)
