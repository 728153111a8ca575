import { AsyncTask, SimpleIntervalJob, ToadScheduler } from 'toad-scheduler'
import type { Milliseconds } from './domain/instant.ts'
import type { Log } from './log.ts'
import type { Service } from './services.ts'

/** Work of the product's own that comes round: lease renewal, recovery, removal. `runOnce` does one round; tests call it directly. */
export interface PeriodicTask {
  readonly name: string
  readonly every: Milliseconds
  runOnce(): Promise<unknown>
}

/** Runs periodic tasks, each never twice at once. A round that fails is logged and the next one comes all the same. */
export function periodicService(name: string, tasks: readonly PeriodicTask[], log: Log): Service {
  const scheduler = new ToadScheduler()
  const underWay = new Set<Promise<unknown>>()
  return {
    name,
    async start() {
      for (const { name: task, every, runOnce } of tasks) {
        // `async`: a task that threw synchronously would end the process and never run again.
        const round = async () => {
          const running = runOnce().catch((error: unknown) =>
            log.error({ err: error, task }, 'a periodic task failed; it comes round again'),
          )
          underWay.add(running)
          await running
          underWay.delete(running)
        }
        scheduler.addSimpleIntervalJob(
          new SimpleIntervalJob({ milliseconds: every }, new AsyncTask(task, round), { id: task, preventOverrun: true }),
        )
      }
    },
    async stop() {
      scheduler.stop()
      await Promise.all(underWay)
    },
  }
}
