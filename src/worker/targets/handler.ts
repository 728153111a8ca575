import type { HandlerTarget } from '../../domain/job.ts'
import type { Outcome } from '../../domain/run.ts'
import type { HandlerHosts } from '../handlers/hosts.ts'
import type { RunFacts, TaskEnd } from '../handlers/protocol.ts'
import type { Handlers } from '../handlers/registry.ts'
import type { Performer, RunContext } from '../runContext.ts'
import { CANCELLED, failed, INTERRUPTED, succeeded } from './outcomes.ts'

/** Performs handler targets: the built-in ones here, the operator's own in a thread of a host process. */
export function createHandlerPerformer(handlers: Handlers, hosts: HandlerHosts): Performer<HandlerTarget> {
  return {
    async perform(target, context) {
      const found = handlers.find(target.handler)
      if (found === null) {
        const message = `This worker has no handler ${JSON.stringify(target.handler)}.`
        return failed({ code: 'HANDLER_UNKNOWN', message, retryable: true })
      }
      if (context.signal.aborted) return CANCELLED
      if (found.kind === 'built-in') return found.handler.run(context)
      const task = { kind: 'run', file: found.file, payload: context.attempt.payload, facts: factsOf(context) } as const
      return outcomeOf(await hosts.perform(task, context.signal, context))
    },
  }
}

function factsOf({ attempt }: RunContext): RunFacts {
  const { runId, jobName, attempt: number, trigger, scheduledFor, dueAt, coalesced } = attempt
  return { runId, jobName, attempt: number, trigger, scheduledFor, dueAt, coalesced }
}

function outcomeOf(end: TaskEnd): Outcome {
  switch (end.kind) {
    case 'done':
      return succeeded(end.value)
    case 'failed':
      return failed(end.failure)
    case 'ended':
      return CANCELLED
    case 'interrupted':
      return INTERRUPTED
  }
}
