import { createJob, triggerJob } from '../support/jobs.ts'
import { type Orrery, startOrrery } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** A server that is killed and started again on its port and its database, as clients see it. */
export interface Restarting extends AsyncDisposable {
  /** `http://127.0.0.1:12345/graphql`, the same after each restart. */
  readonly url: string
  /** Starts a run by hand and answers its id. */
  trigger(): Promise<string>
  stop(signal: NodeJS.Signals): Promise<void>
  start(): Promise<void>
}

/** With one job, which does nothing and does not fire by itself. */
export async function startRestarting(): Promise<Restarting> {
  const directory = temporaryDirectory()
  let orrery: Orrery = await startOrrery({ directory })
  const { port } = new URL(orrery.url)
  const { id } = await createJob(orrery.url, {
    name: 'followed',
    schedule: { interval: { every: 'PT24H' } },
    target: { handler: { handler: 'noop' } },
    policies: { overlap: 'ALLOW_ALL' },
  })
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    await orrery.kill(signal)
  }
  return {
    url: orrery.url,
    trigger: () => triggerJob(orrery.url, id),
    stop,
    async start() {
      orrery = await startOrrery({ directory, env: { PORT: port } })
    },
    [Symbol.asyncDispose]: () => stop('SIGTERM'),
  }
}
