// A process that plans whatever is due, and prints a line for every plan that stood: `planning.ts DATABASE_URL INSTANCE`.
import { randomFillSync } from 'node:crypto'
import { openEngine } from '../../src/engine/engine.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { Scheduler } from '../../src/scheduler/scheduler.ts'

const quiet = () => {}
const log = { debug: quiet, info: quiet, warn: quiet, error: (fields: object, message: string) => console.error(message, fields) }
const { store, bus, clock } = await openEngine({ databaseUrl: process.argv[2]!, instanceId: process.argv[3]!, log })

const telling: Store = Object.create(store, {
  commitPlans: {
    value: async (...[plans, now]: Parameters<Store['commitPlans']>) => {
      const written = await store.commitPlans(plans, now)
      for (const [i, stood] of written.entries()) {
        const { jobId, entries } = plans[i]!.plan
        const [first] = entries
        if (stood && first?.kind === 'run') console.log(JSON.stringify({ jobId, lag: clock.now() - first.run.dueAt }))
      }
      return written
    },
  },
})

const scheduler = new Scheduler({
  store: telling,
  bus,
  log: log as never,
  now: () => clock.now(),
  randomBytes: (bytes) => randomFillSync(bytes),
})
await scheduler.start()
