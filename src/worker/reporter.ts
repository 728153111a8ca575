import { type Instant, type Milliseconds, SECOND } from '../domain/instant.ts'
import type { LogLevel, Outcome } from '../domain/run.ts'
import type { AttemptKey, AttemptReport, NewLogLine, Store } from '../engine/store/store.ts'
import type { Log } from '../log.ts'
import type { RunContext } from './runContext.ts'

/** How long log lines and progress may wait for company before they are written. */
const TELL_WITHIN: Milliseconds = 20
/** Lines that may wait in memory while the database is slow or away; further ones are dropped, and the loss is marked. */
const WAITING_LINES = 50_000
/** Stored in one transaction at most, which holds up the loop, and the instant that falls due meanwhile, for some milliseconds. */
const AT_ONCE = { outcomes: 500, lines: 1_000 } as const
/** In bytes of UTF-8. */
const MAX_MESSAGE = 16 * 1024
const FIRST_BACKOFF: Milliseconds = 100
const LONGEST_BACKOFF: Milliseconds = 5 * SECOND

export interface ReporterDeps {
  readonly store: Store
  readonly log: Log
  readonly now: () => Instant
  readonly random: () => number
  /** Called after each batch of outcomes is stored. */
  readonly settled: () => void
}

/**
 * Stores what attempts tell: outcomes at once, in batches as they pile up behind the commit before; log lines and progress a moment
 * later. One write is under way at a time, and a write that fails is tried again until the database is back: an outcome is never
 * dropped while the process lives. Lines of an attempt are written before its outcome.
 */
export class Reporter {
  readonly #deps: ReporterDeps
  #outcomes: AttemptReport[] = []
  #lines: NewLogLine[] = []
  readonly #progress = new Map<string, AttemptKey & { progress: number }>()
  /** By run: lines that found no room behind those that wait. */
  readonly #dropped = new Map<string, AttemptKey & { lines: number }>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | null = null
  #unsettled = 0
  #abandoned = false

  constructor(deps: ReporterDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#abandoned = false
  }

  /** Writes what is left; gives up when the database does not answer: recovery at the next start takes over. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const giveUp = setTimeout(() => {
      this.#abandoned = true
    }, LONGEST_BACKOFF)
    await this.#flush()
    clearTimeout(giveUp)
  }

  /** Outcomes that are not yet durable; a large output counts for several. */
  get unsettled(): number {
    return this.#unsettled
  }

  report(attempt: AttemptKey, outcome: Outcome): void {
    this.#unsettled += weightOf(outcome)
    this.#outcomes.push({ runId: attempt.runId, attempt: attempt.attempt, outcome, now: this.#deps.now(), random: this.#deps.random() })
    void this.#flush()
  }

  /** What an attempt's context tells with. */
  telling(attempt: AttemptKey): Pick<RunContext, 'log' | 'progress'> {
    const { runId, attempt: number } = attempt
    return {
      log: (level, message, fields) => this.#line({ runId, attempt: number }, level, message, fields),
      progress: (percent) => {
        const progress = Math.min(100, Math.max(0, percent))
        if (Number.isNaN(progress)) return
        this.#progress.set(runId, { runId, attempt: number, progress })
        this.#soon()
      },
    }
  }

  #line(key: AttemptKey, level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> | undefined): void {
    if (this.#lines.length >= WAITING_LINES) {
      const dropped = this.#dropped.get(key.runId)
      if (dropped === undefined) this.#dropped.set(key.runId, { ...key, lines: 1 })
      else dropped.lines += 1
      return
    }
    this.#lines.push({ ...key, at: this.#deps.now(), level, message: cut(message), fields: fieldsText(fields) })
    this.#soon()
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.#flush()
    }, TELL_WITHIN)
  }

  /** Resolves when all that was told before the call is written. Never rejects. */
  #flush(): Promise<void> {
    this.#writing ??= this.#writeAll()
    return this.#writing
  }

  async #writeAll(): Promise<void> {
    // One turn of the loop, so that attempts that end together are stored together.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#outcomes.length > 0 || this.#lines.length > 0 || this.#progress.size > 0) {
      const outcomes = this.#outcomes
      const lines = this.#lines
      lines.push(...this.#lossMarks())
      const progress = [...this.#progress.values()]
      this.#outcomes = []
      this.#lines = []
      this.#progress.clear()
      for (const some of slices(lines, AT_ONCE.lines)) await this.#untilWritten('log lines', () => this.#deps.store.appendLogs(some))
      if (progress.length > 0) await this.#untilWritten('progress', () => this.#deps.store.setProgress(progress, this.#deps.now()))
      for (const some of slices(outcomes, AT_ONCE.outcomes)) await this.#settle(some)
    }
    // In the same step as the last look: whatever is told from here on starts a write of its own.
    this.#writing = null
  }

  /** What stands in the logs of runs where their lines found no room: they came after all that waits. */
  #lossMarks(): NewLogLine[] {
    if (this.#dropped.size === 0) return []
    const marks = [...this.#dropped.values()].map(({ lines, ...key }): NewLogLine => {
      const message = `… ${lines} ${lines === 1 ? 'line was' : 'lines were'} lost: they came faster than they could be stored …`
      return { ...key, at: this.#deps.now(), level: 'WARN', message, fields: null }
    })
    const lines = [...this.#dropped.values()].reduce((sum, dropped) => sum + dropped.lines, 0)
    this.#deps.log.warn({ lines, runs: marks.length }, 'log lines came faster than they could be stored; the newest were dropped')
    this.#dropped.clear()
    return marks
  }

  async #settle(outcomes: readonly AttemptReport[]): Promise<void> {
    const results = await this.#untilWritten('outcomes', () => this.#deps.store.settle(outcomes))
    for (const [index, result] of (results ?? []).entries()) {
      const { runId, attempt, outcome } = outcomes[index]!
      if (result.kind === 'stale')
        this.#deps.log.warn(
          { runId, attempt, outcome: outcome.kind },
          'an outcome came after its attempt had been ended by somebody else; it changes nothing',
        )
    }
    for (const { outcome } of outcomes) this.#unsettled -= weightOf(outcome)
    this.#deps.settled()
  }

  async #untilWritten<T>(what: string, write: () => Promise<T>): Promise<T | null> {
    for (let backoff = FIRST_BACKOFF; !this.#abandoned; backoff = Math.min(backoff * 2, LONGEST_BACKOFF)) {
      try {
        return await write()
      } catch (error) {
        this.#deps.log.error({ err: error, retryInMs: backoff }, `${what} could not be stored; trying again`)
        await new Promise((resolve) => setTimeout(resolve, backoff))
      }
    }
    return null
  }
}

function* slices<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += size) yield all.slice(from, from + size)
}

/** Outputs reach 64 KiB: counted by 8 KiB, so that ten thousand unsettled outcomes stay below 80 MB whatever they hold. */
function weightOf(outcome: Outcome): number {
  const output = outcome.kind === 'SUCCEEDED' || outcome.kind === 'FAILED' ? outcome.output : null
  return 1 + Math.floor((output?.length ?? 0) / 8_192)
}

function cut(text: string): string {
  // NUL and halves of characters are no text for every database.
  const message = text.replaceAll('\0', '\ufffd').toWellFormed()
  // No character of UTF-16 takes more than 3 bytes: most messages need not be measured.
  if (message.length * 3 <= MAX_MESSAGE || Buffer.byteLength(message) <= MAX_MESSAGE) return message
  const bytes = Buffer.from(message.slice(0, MAX_MESSAGE))
  let end = MAX_MESSAGE - Buffer.byteLength('…')
  // Not in the middle of a character: its later bytes begin with the bits 10.
  while ((bytes[end]! & 0xc0) === 0x80) end -= 1
  return `${bytes.toString('utf8', 0, end)}…`
}

function fieldsText(fields: Readonly<Record<string, unknown>> | undefined): string | null {
  if (fields === undefined) return null
  try {
    const text = JSON.stringify(fields)
    return text.length <= MAX_MESSAGE ? text : JSON.stringify({ cut: `${text.length} characters of fields` })
  } catch {
    return JSON.stringify({ cut: 'fields that are not JSON' })
  }
}
