import type { Outcome } from '../../domain/run.ts'
import type { RunContext } from '../runContext.ts'
import { succeeded } from '../targets/outcomes.ts'

/** Handlers that every system has. They end at once, so they need no thread. */
export interface BuiltInHandler {
  readonly name: string
  readonly description: string
  run(context: RunContext): Outcome
}

/** Lines that `log` writes of one payload. */
const MAX_LINES = 1_000

const log: BuiltInHandler = {
  name: 'log',
  description: 'Writes its payload as log lines: one for each element of an array, else one.',
  run({ attempt, log }) {
    const payload: unknown = attempt.payload === null ? null : JSON.parse(attempt.payload)
    const elements: readonly unknown[] = Array.isArray(payload) ? payload : [payload]
    for (const element of elements.slice(0, MAX_LINES)) log('INFO', typeof element === 'string' ? element : JSON.stringify(element))
    if (elements.length > MAX_LINES) log('WARN', `${elements.length - MAX_LINES} more elements are not shown`)
    return succeeded(null)
  },
}

const noop: BuiltInHandler = {
  name: 'noop',
  description: 'Does nothing, and succeeds.',
  run: () => succeeded(null),
}

export const BUILT_IN_HANDLERS: readonly BuiltInHandler[] = [log, noop]
