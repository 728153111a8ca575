import type { Instant } from '../../domain/instant.ts'
import type { CommandTarget, HandlerTarget, HttpTarget } from '../../domain/job.ts'
import type { HostLog } from '../handlers/host.ts'
import { HandlerHosts } from '../handlers/hosts.ts'
import { type HandlerDescription, loadHandlers } from '../handlers/registry.ts'
import { type KnownHandlers, SystemHandlers } from '../handlers/systemHandlers.ts'
import type { Performer } from '../runContext.ts'
import { createTargetRules, type TargetRules } from '../targetRules.ts'
import { createAddressGuard } from './addresses.ts'
import { createCommandPerformer } from './command.ts'
import { createAllowedCommands } from './commandList.ts'
import { createHandlerPerformer } from './handler.ts'
import { createHttpPerformer } from './http.ts'
import { type ResolveName, resolveBySystem } from './httpConnections.ts'
import { messageOf } from './outcomes.ts'

export interface PerformersOptions {
  /** Networks (CIDR) that HTTP targets may reach although they are not public. */
  readonly allowTargets: readonly string[]
  /** Absolute paths of executables. */
  readonly allowCommands: readonly string[]
  /** Folder of handler modules, or null for none. */
  readonly handlersFolder: string | null
  /** `whsec_…`: signs the requests of HTTP targets without a secret of their own. */
  readonly signingSecret: string
  /** Handlers that other processes have told of. */
  readonly toldHandlers?: () => Promise<readonly HandlerDescription[]>
  readonly log: HostLog
  readonly now?: () => Instant
  readonly resolve?: ResolveName
}

/** One performer for each kind of target, and what is known of targets before they run. */
export interface TargetPerformers {
  readonly http: Performer<HttpTarget>
  readonly handler: Performer<HandlerTarget>
  readonly command: Performer<CommandTarget>
  /** Those that this process can perform. */
  readonly handlers: readonly HandlerDescription[]
  /** Those that a target may name. */
  readonly knownHandlers: KnownHandlers
  readonly rules: TargetRules
  /** Loads what the start could do without, before an instant has to wait for it. */
  warmUp(): Promise<void>
  /** Ends connections, threads and processes at once: attempts under way must have ended, or are interrupted. */
  close(): Promise<void>
}

/** Rejects with an Error that says which setting is wrong, and why: a network, an executable, a module of handlers. */
export async function createPerformers(options: PerformersOptions): Promise<TargetPerformers> {
  const { signingSecret, log, now = Date.now, resolve = resolveBySystem } = options
  const guard = naming('ORRERY_ALLOW_TARGETS', () => createAddressGuard(options.allowTargets))
  const commands = naming('ORRERY_ALLOW_COMMANDS', () => createAllowedCommands(options.allowCommands))
  const hosts = new HandlerHosts(log)
  const handlers = await loadHandlers(options.handlersFolder, hosts).catch(async (error) => {
    await hosts.close()
    return naming('ORRERY_HANDLERS', () => {
      throw error
    })
  })
  const knownHandlers = new SystemHandlers({ own: handlers, told: options.toldHandlers ?? (async () => []), hosts })
  const http = createHttpPerformer({ guard, resolve, signingSecret, now })
  return {
    http,
    handler: createHandlerPerformer(handlers, hosts),
    command: createCommandPerformer(commands),
    handlers: handlers.list,
    knownHandlers,
    rules: createTargetRules({ guard, resolve, commands, handlers: knownHandlers }),
    warmUp: () => http.warmUp(),
    async close() {
      await Promise.all([http.close(), hosts.close()])
    },
  }
}

/** What went wrong with a setting, said with its name. */
function naming<T>(variable: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Error(`${variable}: ${messageOf(error)}`, { cause: error })
  }
}
