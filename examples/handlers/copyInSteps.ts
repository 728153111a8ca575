import { setTimeout as delay } from 'node:timers/promises'
import type { Handler } from './handler.d.ts'

// Long work: it tells how far it is, and ends when its signal says so. One that does not listen is ended 5 seconds later, with its thread.

export const handler: Handler<{ steps?: number } | undefined> = {
  name: 'copy-in-steps',
  description: 'Does nothing in steps of a tenth of a second, as a model for work that does something.',
  async run({ payload, signal, progress, log }) {
    const steps = payload?.steps ?? 20
    for (let step = 1; step <= steps; step++) {
      // Rejects at once when the signal is aborted. Give it to fetch, to database clients, to whatever waits.
      await delay(100, undefined, { signal })
      progress((100 * step) / steps)
    }
    log.info(`all ${steps} steps done`)
    return { steps }
  },
}
