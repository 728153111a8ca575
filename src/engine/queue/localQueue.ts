import { type Instant, MINUTE, type Milliseconds, SECOND } from '../../domain/instant.ts'
import type { Bus } from '../bus/bus.ts'
import type { Log } from '../ports.ts'
import type { Queue } from './queue.ts'
import type { RunStarter } from './starter.ts'

/** Backs the hints: whatever was overheard is found so much later at most. */
const POLL: Milliseconds = 5 * SECOND
/** A wait is cut into pieces of this length, and the clock is looked at again: clocks jump. */
const LONGEST_TIMER: Milliseconds = MINUTE

export interface LocalQueueOptions {
  readonly store: RunStarter
  readonly bus: Bus
  readonly log: Log
  readonly now: () => Instant
}

/**
 * The QUEUED rows are the queue. Most runs never wait in it: they begin in the commit of their plan. The others are looked for when
 * something says that looking pays: a hint, room in the worker, the end of a wait, and every few seconds all the same.
 *
 *   idle ─ hint, pull, timer, poll ─→ looking ─ found as many as there was room for → looks again
 *    ↑                                   └──── found fewer: sets the timer to the end of the next wait
 *    └───────────────────────────────────┘     (asked meanwhile: looks again first)
 *
 * Never more than one look at a time. A look that fails is logged; the poll is the next.
 */
export function localQueue({ store, bus, log, now }: LocalQueueOptions): Queue {
  let started = false
  let looking: Promise<void> | null = null
  let again = false
  let timer: NodeJS.Timeout | undefined
  let poll: NodeJS.Timeout | undefined
  let unsubscribe = () => {}

  function pull(): void {
    if (!started) return
    again = true
    looking ??= look().finally(() => {
      looking = null
      // Asked between the last look and this moment.
      if (again) pull()
    })
  }

  async function look(): Promise<void> {
    try {
      while (again && started) {
        again = false
        let lookedAt = now()
        while (started && (await store.beginForConsumer(lookedAt, Number.POSITIVE_INFINITY)) > 0) lookedAt = now()
        if (started && !again) await waitForNext(lookedAt)
      }
    } catch (error) {
      again = false
      log.error({ err: error, retryInMs: POLL }, 'waiting runs could not be started; trying again')
    }
  }

  async function waitForNext(lookedAt: Instant): Promise<void> {
    const next = await store.nextReadyAt(lookedAt)
    clearTimeout(timer)
    timer = undefined
    // What was ready at the last look and did not begin waits for room or its handler: whoever makes room calls pull().
    if (started && next !== null) timer = setTimeout(pull, Math.min(Math.max(next - now(), 0), LONGEST_TIMER))
  }

  return {
    start(worker) {
      started = true
      store.attach(worker)
      unsubscribe = bus.subscribe((hint) => {
        if (hint.kind === 'runs') pull()
      })
      poll = setInterval(pull, POLL)
      pull()
    },
    pull,
    // No other process holds the file: one that is dead has left nothing but rows.
    async release() {},
    async stop() {
      started = false
      clearTimeout(timer)
      clearInterval(poll)
      unsubscribe()
      await looking
      store.detach()
    },
  }
}
