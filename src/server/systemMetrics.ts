import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Milliseconds, SECOND } from '../domain/instant.ts'
import type { Engine } from '../engine/engine.ts'
import { instanceLifetime, ROLES } from '../engine/store/store.ts'
import type { Metrics } from '../metrics.ts'

export interface SystemMetricsDeps {
  /** Null until the database is there. */
  readonly engine: () => Pick<Engine, 'store' | 'clock'> | null
  readonly lease: Milliseconds
  /** Of a worker; null where this process is none. */
  readonly worker: () => { readonly running: number; readonly capacity: number } | null
  /** Of a scheduler: plans of jobs that stood, and those that another process was quicker with; null where this process is none. */
  readonly plans: () => { readonly stood: number; readonly overtaken: number } | null
}

/** What was read from the database is told again for so long, whoever asks. */
const GOOD_FOR: Milliseconds = 2 * SECOND
/** Whoever asks waits for the database for so long. */
const PATIENCE: Milliseconds = 2 * SECOND
/** Waiting runs are counted up to here: who has more knows enough. */
const MOST_WAITING = 10_000
/** The loop's own timer comes every so many ms: shorter stalls are not told from none. */
const RESOLUTION = 20

/** What every process tells of itself and of the system. */
export function addSystemMetrics(metrics: Metrics, { engine, lease, worker, plans }: SystemMetricsDeps): void {
  const look = remembered(async () => {
    const opened = engine()
    if (opened === null) throw new Error('the database is not open yet')
    const now = opened.clock.now()
    const [waiting, instances] = await Promise.all([
      opened.store.waiting(now, MOST_WAITING),
      opened.store.instances(now - instanceLifetime(lease)),
    ])
    return { waiting, instances, waitedFor: waiting.since === null ? 0 : now - waiting.since }
  })
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION })
  delays.enable()

  metrics.add({
    kind: 'gauge',
    name: 'orrery_database_up',
    help: 'Whether the database answers: 1 or 0.',
    read: () =>
      look().then(
        () => 1,
        () => 0,
      ),
  })
  metrics.add({
    kind: 'gauge',
    name: 'orrery_runs_waiting',
    help: `Runs of the whole system that might start now and wait for room or for a handler: the length of the queue, counted up to ${MOST_WAITING}.`,
    read: async () => (await look()).waiting.runs,
  })
  metrics.add({
    kind: 'gauge',
    name: 'orrery_runs_waiting_seconds',
    help: 'How long the one of them has waited that waits longest.',
    read: async () => (await look()).waitedFor / SECOND,
  })
  metrics.add({
    kind: 'gauge',
    name: 'orrery_instances',
    help: 'Processes of the whole system that are up, by role. One that has several counts for each.',
    labels: ['role'],
    read: async () => {
      const { instances } = await look()
      return ROLES.map((role) => ({
        labels: { role: role.toLowerCase() },
        value: instances.filter(({ roles }) => roles.includes(role)).length,
      }))
    },
  })
  metrics.add({
    kind: 'gauge',
    name: 'orrery_attempts_running',
    help: 'Attempts that this process has under way.',
    read: () => worker()?.running ?? null,
  })
  metrics.add({
    kind: 'gauge',
    name: 'orrery_attempts_capacity',
    help: 'Attempts that this process has under way at most.',
    read: () => worker()?.capacity ?? null,
  })
  metrics.add({
    kind: 'counter',
    name: 'orrery_jobs_planned_total',
    help: 'Plans of due jobs that this scheduler made: those that stood, and those that were overtaken by another process.',
    labels: ['result'],
    read: () => {
      const made = plans()
      return made && (['stood', 'overtaken'] as const).map((result) => ({ labels: { result }, value: made[result] }))
    },
  })
  metrics.add({
    kind: 'gauge',
    name: 'orrery_clock_skew_seconds',
    help: "How far this machine's clock is ahead of the database's; negative: behind it.",
    read: () => {
      const skew = engine()?.clock.skew() ?? null
      return skew === null ? null : skew / SECOND
    },
  })
  metrics.add({
    kind: 'gauge',
    name: 'orrery_event_loop_lag_seconds',
    help: 'How late the event loop of this process came since somebody asked for this last, by quantile; 1 is the longest.',
    labels: ['quantile'],
    read: () => {
      const values = [0.5, 0.99, 1].map((quantile) => ({
        labels: { quantile: String(quantile) },
        value: Math.max(0, (quantile === 1 ? delays.max : delays.percentile(quantile * 100)) / 1e9 - RESOLUTION / SECOND),
      }))
      delays.reset()
      return values
    },
  })
}

/** What a look finds is good for a while, for all who ask; one that takes too long or fails is asked anew by whoever comes next. */
function remembered<T>(ask: () => Promise<T>): () => Promise<T> {
  let known: Promise<T> | null = null
  let goodUntil = 0
  return () => {
    if (known !== null && performance.now() < goodUntil) return known
    const asked = withPatience(ask())
    known = asked
    goodUntil = performance.now() + GOOD_FOR
    asked.catch(() => {
      if (known === asked) known = null
    })
    return asked
  }
}

function withPatience<T>(answer: Promise<T>): Promise<T> {
  const tooLate = Promise.withResolvers<never>()
  const timer = setTimeout(() => tooLate.reject(new Error(`no answer within ${PATIENCE} ms`)), PATIENCE)
  return Promise.race([answer, tooLate.promise]).finally(() => clearTimeout(timer))
}
