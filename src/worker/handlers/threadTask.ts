import { AsyncLocalStorage } from 'node:async_hooks'
import { pathToFileURL } from 'node:url'
import { format } from 'node:util'
import type { LogLevel } from '../../domain/run.ts'
import type { AbortCause } from '../runContext.ts'
import { OUTPUT_LIMIT } from '../targets/outcomes.ts'
import { acceptPayload, type Definition, describeDefinition, readDefinition } from './definition.ts'
import { failure, type PayloadIssue, type Task, type TaskEnd, type ThreadTold } from './protocol.ts'
import { describeThrown, printable } from './thrown.ts'

// The part of a thread that performs tasks.

const MAX_MESSAGE = 16 * 1024
const MAX_FIELDS = 16 * 1024
/** Least time between two messages of one task's progress. */
const PROGRESS_EVERY = 50

/** The task on whose behalf code runs: what it logs, and what it breaks, is known to be its own. */
export const currentTask = new AsyncLocalStorage<ThreadTask>()

const definitions = new Map<string, Promise<Definition>>()

export class ThreadTask {
  readonly id: number
  readonly #task: Task
  readonly #tell: (told: ThreadTold) => void
  readonly #controller = new AbortController()
  #progress: number | null = null
  #progressToldAt = Number.NEGATIVE_INFINITY
  #progressTimer: NodeJS.Timeout | undefined

  constructor(id: number, task: Task, tell: (told: ThreadTold) => void) {
    this.id = id
    this.#task = task
    this.#tell = tell
  }

  abort(cause: AbortCause): void {
    const reason = new DOMException(`The attempt was told to end: ${cause}.`, 'AbortError')
    currentTask.run(this, () => this.#controller.abort(reason))
  }

  /** Performs the task and tells its end. */
  async perform(): Promise<void> {
    const end = await currentTask
      .run(this, () => this.#perform())
      .catch((thrown): TaskEnd => ({ kind: 'failed', failure: describeThrown(thrown) }))
    this.#tellProgress(true)
    this.#tell({ kind: 'end', id: this.id, end: end.kind === 'failed' && this.#controller.signal.aborted ? { kind: 'ended' } : end })
  }

  log(level: LogLevel, message: unknown, fields?: unknown): void {
    const text = typeof message === 'string' ? message : format(message)
    this.#tell({ kind: 'log', id: this.id, level, message: printable(text, MAX_MESSAGE), fields: fieldsText(fields) })
  }

  async #perform(): Promise<TaskEnd> {
    if (this.#task.kind === 'fit') {
      // Most threads never need it.
      const { schemaIssues } = await import('./jsonSchema.ts')
      return { kind: 'done', value: JSON.stringify(schemaIssues(this.#task.schema, this.#task.payload)) }
    }
    const definition = await load(this.#task.file)
    switch (this.#task.kind) {
      case 'describe':
        return { kind: 'done', value: JSON.stringify(describeDefinition(definition)) }
      case 'check': {
        const accepted = await acceptPayload(definition, this.#task.payload)
        return { kind: 'done', value: JSON.stringify('issues' in accepted ? accepted.issues : []) }
      }
      case 'run': {
        const accepted = await acceptPayload(definition, this.#task.payload)
        if ('issues' in accepted) return { kind: 'failed', failure: failure('PAYLOAD_REFUSED', refusal(accepted.issues), false) }
        return outputEnd(await definition.run(this.#context(accepted.value)))
      }
    }
  }

  /** What a handler gets: documented in examples/README.md. */
  #context(payload: unknown): object {
    const { facts } = this.#task as Extract<Task, { kind: 'run' }>
    const log = (level: LogLevel) => (message: unknown, fields?: unknown) => this.log(level, message, fields)
    return {
      ...facts,
      scheduledFor: new Date(facts.scheduledFor),
      dueAt: new Date(facts.dueAt),
      payload,
      signal: this.#controller.signal,
      log: { debug: log('DEBUG'), info: log('INFO'), warn: log('WARN'), error: log('ERROR') },
      progress: (percent: unknown) => {
        if (typeof percent !== 'number' || Number.isNaN(percent))
          throw new TypeError(`progress takes a number from 0 to 100, not ${format(percent)}`)
        this.#progress = Math.min(100, Math.max(0, percent))
        this.#tellProgress(false)
      },
    }
  }

  /** At most so often; what came too soon is told when the time has come, though the handler says nothing more, and before the end. */
  #tellProgress(now: boolean): void {
    if (this.#progress === null) return
    const wait = this.#progressToldAt + PROGRESS_EVERY - performance.now()
    if (!now && wait > 0) {
      this.#progressTimer ??= setTimeout(() => this.#tellProgress(true), wait)
      return
    }
    clearTimeout(this.#progressTimer)
    this.#progressTimer = undefined
    this.#tell({ kind: 'progress', id: this.id, percent: this.#progress })
    this.#progress = null
    this.#progressToldAt = performance.now()
  }
}

/** A module is loaded once a thread, on nobody's behalf: what it starts at its top level belongs to no run. */
function load(file: string): Promise<Definition> {
  let loading = definitions.get(file)
  if (loading === undefined) {
    loading = currentTask
      .exit(() => import(pathToFileURL(file).href))
      .then(readDefinition, (thrown) => {
        const { message, stack } = describeThrown(thrown)
        throw Object.assign(new Error(`Its module cannot be loaded: ${message}`), { code: 'HANDLER_NOT_LOADED', stack })
      })
    definitions.set(file, loading)
  }
  return loading
}

function refusal(issues: readonly PayloadIssue[]): string {
  return `The payload does not fit the handler's schema: ${issues.map(({ path, message }) => `${['payload', ...path].join('.')}: ${message}`).join('; ')}`
}

function outputEnd(value: unknown): TaskEnd {
  if (value === undefined) return { kind: 'done', value: null }
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (thrown) {
    return {
      kind: 'failed',
      failure: failure('OUTPUT_NOT_JSON', `What the handler returned is not JSON: ${describeThrown(thrown).message}`, false),
    }
  }
  if (text === undefined) {
    return { kind: 'failed', failure: failure('OUTPUT_NOT_JSON', `What the handler returned is not JSON but a ${typeof value}.`, false) }
  }
  const size = Buffer.byteLength(text)
  return size <= OUTPUT_LIMIT
    ? { kind: 'done', value: text }
    : {
        kind: 'failed',
        failure: failure(
          'OUTPUT_TOO_LARGE',
          `What the handler returned takes ${size} bytes as JSON; at most ${OUTPUT_LIMIT} are kept.`,
          false,
        ),
      }
}

function fieldsText(fields: unknown): string | null {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return null
  try {
    const text = JSON.stringify(fields)
    return text.length <= MAX_FIELDS ? text : JSON.stringify({ dropped: `fields of ${text.length} characters` })
  } catch {
    return JSON.stringify({ dropped: 'fields that are not JSON' })
  }
}
