// A process that creates jobs, plans, begins and settles runs as fast as it can, and prints what was acknowledged to it, until it is
// killed: `crashing.ts DATABASE_URL`.
import { openEngine } from '../../src/engine/engine.ts'
import { beginAll, createJob, planRun, succeeded } from './factories.ts'

const log = { info() {}, warn() {}, error: (fields: object, message: string) => console.error(message, fields) }
const { store } = await openEngine({ databaseUrl: process.argv[2]!, instanceId: 'ins_crashing', log })

async function work(): Promise<void> {
  for (;;) {
    const job = await createJob(store)
    console.log(`job ${job.id}`)
    const run = await planRun(store, job)
    console.log(`run ${run.id}`)
    const begun = await beginAll(store)
    const reports = begun.map(({ runId, attempt }) => ({ runId, attempt, outcome: succeeded, now: Date.now(), random: 0 }))
    const results = await store.settle(reports)
    for (const [i, { kind }] of results.entries()) if (kind === 'settled') console.log(`settled ${reports[i]!.runId}`)
    console.log(`head ${await store.streamHead()}`)
  }
}

await Promise.all([work(), work(), work(), work()])
