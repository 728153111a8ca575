import { type UserError, userError } from '../domain/errors.ts'
import type { CommandTarget, Job } from '../domain/job.ts'
import type { KnownHandlers } from './handlers/systemHandlers.ts'
import type { AddressGuard } from './targets/addresses.ts'
import type { AllowedCommands } from './targets/commandList.ts'
import type { ResolveName } from './targets/httpConnections.ts'
import { httpFaults } from './targets/httpRules.ts'

/** What a command needs of the workers: whether a target may exist at all. Given by main, so that commands know no handler code. */
export interface TargetRules {
  /**
   * What is wrong with a target and the payload its runs get, as far as it can be known before it runs: unknown handler, payload its
   * schema refuses, command not allowed, an address that is not public. `path` is relative to the input: ['target', 'http', 'url'].
   */
  check(job: Pick<Job, 'target' | 'payload'>): Promise<readonly UserError[]>
}

export interface TargetRulesDeps {
  readonly guard: AddressGuard
  readonly resolve: ResolveName
  readonly commands: AllowedCommands
  readonly handlers: KnownHandlers
}

/** Handlers that a message about an unknown one names. */
const NAMED_HANDLERS = 20
/** Characters of a command's arguments together; the system's own limit is higher. */
const MAX_ARGUMENTS = 64 * 1024

export function createTargetRules({ guard, resolve, commands, handlers }: TargetRulesDeps): TargetRules {
  return {
    async check({ target, payload }) {
      switch (target.kind) {
        case 'http':
          return httpFaults(target, guard, resolve)
        case 'handler':
          return handlerFaults(target.handler, payload, handlers)
        case 'command':
          return commandFaults(target, commands)
      }
    },
  }
}

async function handlerFaults(name: string, payload: string | null, handlers: KnownHandlers): Promise<readonly UserError[]> {
  const issues = await handlers.check(name, payload)
  if (issues === null) {
    const names = (await handlers.list()).map((each) => each.name)
    const known =
      names.length > NAMED_HANDLERS
        ? `${names.slice(0, NAMED_HANDLERS).join(', ')} and ${names.length - NAMED_HANDLERS} more`
        : names.join(', ')
    return [
      userError(
        'INVALID',
        ['target', 'handler', 'handler'],
        `There is no handler ${JSON.stringify(name.slice(0, 100))}; there are ${known}.`,
      ),
    ]
  }
  return issues.map(({ path, message }) => userError('INVALID', ['payload', ...path], message))
}

async function commandFaults({ executable, args }: CommandTarget, commands: AllowedCommands): Promise<readonly UserError[]> {
  const found = await commands.find(executable)
  const faults = 'refusal' in found ? [userError('NOT_ALLOWED', ['target', 'command', 'executable'], found.refusal)] : []
  const withNul = args.findIndex((arg) => arg.includes('\0'))
  if (withNul !== -1)
    faults.push(
      userError(
        'INVALID',
        ['target', 'command', 'args', String(withNul)],
        'No process can be given a NUL character as part of an argument.',
      ),
    )
  const length = args.reduce((sum, arg) => sum + arg.length, 0)
  if (length > MAX_ARGUMENTS) {
    faults.push(
      userError(
        'TOO_LARGE',
        ['target', 'command', 'args'],
        `The arguments are ${length} characters long together; at most ${MAX_ARGUMENTS} are accepted.`,
      ),
    )
  }
  return faults
}
