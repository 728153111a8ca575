import { type Milliseconds, SECOND } from '../../domain/instant.ts'
import type { HandlerHosts } from './hosts.ts'
import type { PayloadIssue } from './protocol.ts'
import { checkTask, type HandlerDescription, type Handlers } from './registry.ts'

/** What other processes said is believed for so long. */
const BELIEVED_FOR: Milliseconds = 3 * SECOND

/** Every handler that a target may name, wherever its code is. */
export interface KnownHandlers {
  /** By name. */
  list(): Promise<readonly HandlerDescription[]>
  /** What is wrong with a payload (JSON text, or null for none) for a handler. Null: nobody has a handler of this name. */
  check(name: string, payload: string | null): Promise<readonly PayloadIssue[] | null>
}

export interface SystemHandlersDeps {
  /** Those of this process. */
  readonly own: Handlers
  /** Those that living workers have told of. */
  readonly told: () => Promise<readonly HandlerDescription[]>
  readonly hosts: Pick<HandlerHosts, 'perform'>
}

/**
 * The handlers of this process, whose code is asked, and those of the workers, of which the database knows name and JSON Schema. A name that
 * is not known is looked for anew: a worker may have come this moment.
 */
export class SystemHandlers implements KnownHandlers {
  readonly #deps: SystemHandlersDeps
  #told: readonly HandlerDescription[] = []
  #toldAt = Number.NEGATIVE_INFINITY

  constructor(deps: SystemHandlersDeps) {
    this.#deps = deps
  }

  async list(): Promise<readonly HandlerDescription[]> {
    const { own } = this.#deps
    const others = (await this.#others()).filter(({ name }) => own.find(name) === null)
    return [...own.list, ...others].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async check(name: string, payload: string | null): Promise<readonly PayloadIssue[] | null> {
    const { own, hosts } = this.#deps
    if (own.find(name) !== null) return own.check(name, payload)
    const named = (each: HandlerDescription) => each.name === name
    const handler = (await this.#others()).find(named) ?? (await this.#ask()).find(named)
    if (handler === undefined) return null
    if (handler.payloadSchema === null) return []
    return checkTask(hosts, { kind: 'fit', schema: JSON.stringify(handler.payloadSchema), payload })
  }

  async #others(): Promise<readonly HandlerDescription[]> {
    return performance.now() - this.#toldAt < BELIEVED_FOR ? this.#told : this.#ask()
  }

  async #ask(): Promise<readonly HandlerDescription[]> {
    const askedAt = performance.now()
    const told = await this.#deps.told()
    if (askedAt > this.#toldAt) {
      this.#told = told
      this.#toldAt = askedAt
    }
    return told
  }
}
