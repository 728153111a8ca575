import { earlier } from '../store/effects.ts'
import type { Hint } from './bus.ts'

// Hints as they go from process to process: merged, and written within what a notification of Postgres may hold.

/** A notification holds fewer than 8,000 bytes; this much is for ids. */
const LONGEST_IDS = 7_500
/** Runs with new log lines that are named; of more, whoever follows a log looks for himself. */
const MOST_LOGS = 500

/** What a notification says. */
export interface Message {
  /** The process that sends it, which ignores it. */
  readonly from: string
  readonly hints: readonly Hint[]
  /** Whether the sender plans jobs; absent: nothing new of that. */
  readonly plans?: boolean
}

/** Hints that wait to be told to others, in as few words as say the same. */
export class Gathered {
  #changes: number | null | undefined
  #wakeAt: number | null | undefined
  #runs = false
  #cancels = new Set<string>()
  #logs: Set<string> | null = new Set()

  add(hint: Hint): void {
    switch (hint.kind) {
      case 'changes':
        this.#changes = hint.upTo === null ? (this.#changes ?? null) : Math.max(this.#changes ?? 0, hint.upTo)
        break
      case 'jobs':
        this.#wakeAt = earlier(this.#wakeAt, hint.wakeAt)
        break
      case 'runs':
        this.#runs = true
        break
      case 'cancels':
        for (const id of hint.runIds) this.#cancels.add(id)
        break
      case 'logs':
        this.#addLogs(hint.runIds)
    }
  }

  get isEmpty(): boolean {
    const named = this.#cancels.size > 0 || this.#logs === null || this.#logs.size > 0
    return this.#changes === undefined && this.#wakeAt === undefined && !this.#runs && !named
  }

  /** Takes what was gathered. */
  take(): readonly Hint[] {
    const hints: Hint[] = []
    if (this.#changes !== undefined) hints.push({ kind: 'changes', upTo: this.#changes })
    if (this.#wakeAt !== undefined) hints.push({ kind: 'jobs', wakeAt: this.#wakeAt })
    if (this.#runs) hints.push({ kind: 'runs' })
    if (this.#cancels.size > 0) hints.push({ kind: 'cancels', runIds: [...this.#cancels] })
    if (this.#logs === null || this.#logs.size > 0) hints.push({ kind: 'logs', runIds: this.#logs && [...this.#logs] })
    this.#changes = undefined
    this.#wakeAt = undefined
    this.#runs = false
    this.#cancels = new Set()
    this.#logs = new Set()
    return hints
  }

  #addLogs(runIds: readonly string[] | null): void {
    for (const id of runIds ?? []) this.#logs?.add(id)
    if (runIds === null || (this.#logs !== null && this.#logs.size > MOST_LOGS)) this.#logs = null
  }
}

/** What makes everybody look for everything: after a time in which hints may have been lost. */
export const LOOK: readonly Hint[] = [
  { kind: 'changes', upTo: null },
  // The earliest that there is: nobody sleeps past it.
  { kind: 'jobs', wakeAt: 0 },
  { kind: 'runs' },
  { kind: 'logs', runIds: null },
]

/** Hints as the texts of notifications, none too long. */
export function notificationsOf(from: string, hints: readonly Hint[]): readonly string[] {
  const short = hints.filter((hint) => !('runIds' in hint) || hint.runIds === null)
  const long = hints.flatMap((hint) =>
    'runIds' in hint && hint.runIds !== null ? pieces(hint.runIds).map((runIds): Hint => ({ kind: hint.kind, runIds })) : [],
  )
  const first = [...short, ...long.splice(0, 1)]
  return [...(first.length > 0 ? [first] : []), ...long.map((hint) => [hint])].map((each) =>
    JSON.stringify({ from, hints: each } satisfies Message),
  )
}

/** What a notification says; null: it is nothing that this version understands. */
export function readNotification(text: string): Message | null {
  try {
    const message = JSON.parse(text) as Message
    return typeof message.from === 'string' && Array.isArray(message.hints) ? message : null
  } catch {
    return null
  }
}

function pieces(ids: readonly string[]): readonly (readonly string[])[] {
  const all: string[][] = []
  let bytes = LONGEST_IDS
  for (const id of ids) {
    const size = Buffer.byteLength(JSON.stringify(id)) + 1
    if (bytes + size > LONGEST_IDS) {
      all.push([])
      bytes = 0
    }
    all.at(-1)!.push(id)
    bytes += size
  }
  return all
}
