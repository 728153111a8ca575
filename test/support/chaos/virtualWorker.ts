import type { Outcome } from '../../../src/domain/run.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { AttemptReport, BegunAttempt } from '../../../src/engine/store/store.ts'
import type { Random } from './seeded.ts'

interface UnderWay {
  readonly attempt: BegunAttempt
  endsAt: number
  outcome: Outcome
}

const LEASE = 30_000
const SUCCEEDED: Outcome = { kind: 'SUCCEEDED', output: '{"fine":true}' }
const failed = (retryable: boolean, retryAfter: number | null): Outcome => ({
  kind: 'FAILED',
  error: { code: 'DRAWN', message: 'Drawn at random.', stack: null, retryable },
  output: null,
  retryAfter,
})

/** Begins what is ready and ends it at instants of a clock that somebody else moves: nothing is performed. */
export class VirtualWorker {
  readonly #engine: Engine
  readonly #random: Random
  readonly #concurrency: number
  readonly #instanceId: string
  readonly #underWay = new Map<string, UnderWay>()
  #renewAt = 0
  ended = 0

  constructor(engine: Engine, random: Random, concurrency: number, instanceId: string) {
    this.#engine = engine
    this.#random = random
    this.#concurrency = concurrency
    this.#instanceId = instanceId
    engine.bus.subscribe((hint) => {
      if (hint.kind === 'cancels') for (const runId of hint.runIds) this.#listen(runId)
    })
  }

  get running(): number {
    return this.#underWay.size
  }

  /** When something is to be done without being told. */
  get nextEnd(): number {
    return Math.min(...[...this.#underWay.values()].map(({ endsAt }) => endsAt))
  }

  /** Begins and ends all that the instant asks for, also what one makes room for in the other. */
  async work(now: number): Promise<void> {
    if (now >= this.#renewAt) await this.#renew(now)
    for (;;) {
      const ended = await this.#settle(now)
      const begun = await this.#begin(now)
      if (ended + begun === 0) return
    }
  }

  async #begin(now: number): Promise<number> {
    const room = this.#concurrency - this.#underWay.size
    if (room <= 0) return 0
    const begun = await this.#engine.store.beginReady({ instanceId: this.#instanceId, now, leaseUntil: now + LEASE, handlers: null }, room)
    for (const attempt of begun) this.#underWay.set(attempt.runId, this.#draw(attempt, now))
    return begun.length
  }

  async #settle(now: number): Promise<number> {
    const due = [...this.#underWay.values()].filter(({ endsAt }) => endsAt <= now)
    if (due.length === 0) return 0
    const reports: AttemptReport[] = due.map(({ attempt, outcome }) => ({
      runId: attempt.runId,
      attempt: attempt.attempt,
      outcome,
      now,
      random: this.#random.next(),
    }))
    for (const { attempt } of due) this.#underWay.delete(attempt.runId)
    await this.#engine.store.settle(reports)
    this.ended += due.length
    return due.length
  }

  async #renew(now: number): Promise<void> {
    this.#renewAt = now + LEASE / 3
    const attempts = [...this.#underWay.values()].map(({ attempt }) => ({ runId: attempt.runId, attempt: attempt.attempt }))
    if (attempts.length === 0) return
    const answers = await this.#engine.store.renewLeases(attempts, this.#instanceId, now + LEASE)
    for (const [i, { held, cancel }] of answers.entries()) {
      if (!held) this.#underWay.delete(attempts[i]!.runId)
      else if (cancel) this.#listen(attempts[i]!.runId)
    }
  }

  #draw(attempt: BegunAttempt, now: number): UnderWay {
    const random = this.#random
    const length = random.weighted({ short: 70, middle: 22, long: 8 })
    const takes = length === 'short' ? random.int(0, 300) : length === 'middle' ? random.int(300, 3_000) : random.int(3_000, 20_000)
    if (takes >= attempt.policies.timeout) {
      const error = { code: 'TIMEOUT', message: 'Took too long.', stack: null, retryable: true }
      return { attempt, endsAt: now + attempt.policies.timeout, outcome: { kind: 'TIMED_OUT', error } }
    }
    switch (random.weighted({ well: 80, badly: 12, forGood: 4, later: 3, lost: 1 })) {
      case 'well':
        return { attempt, endsAt: now + takes, outcome: SUCCEEDED }
      case 'badly':
        return { attempt, endsAt: now + takes, outcome: failed(true, null) }
      case 'forGood':
        return { attempt, endsAt: now + takes, outcome: failed(false, null) }
      case 'later':
        return { attempt, endsAt: now + takes, outcome: failed(true, random.int(0, 5_000)) }
      case 'lost':
        return { attempt, endsAt: now + takes, outcome: { kind: 'LOST' } }
    }
  }

  /** Asked to cancel: most listen soon, some succeed all the same. */
  #listen(runId: string): void {
    const underWay = this.#underWay.get(runId)
    if (underWay === undefined || this.#random.chance(0.1)) return
    underWay.endsAt = Math.min(underWay.endsAt, underWay.attempt.startedAt + this.#random.int(0, 2_000))
    underWay.outcome = { kind: 'CANCELLED' }
  }
}
