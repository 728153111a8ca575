import type { Commands } from '../commands/commands.ts'
import type { Instant, Milliseconds } from '../domain/instant.ts'
import type { Engine } from '../engine/engine.ts'
import type { JobStream } from '../stream/jobStream.ts'
import type { LogStream } from '../stream/logStream.ts'
import type { RunStream } from '../stream/runStream.ts'
import type { WatchedHead } from '../stream/watchedHead.ts'
import type { HandlerDescription } from '../worker/handlers/registry.ts'
import { AnswerSize } from './answerSize.ts'
import { createLoaders, type Loaders } from './loaders.ts'

/** READ: queries and subscriptions. OPERATE: trigger, cancel, rerun, pause, resume. MANAGE: create, update, delete. */
export const SCOPES = ['READ', 'OPERATE', 'MANAGE'] as const
export type Scope = (typeof SCOPES)[number]

/** Who is asking, and what they may do. */
export interface Viewer {
  readonly name: string
  readonly scopes: readonly Scope[]
}

/** What the API works with: the same for every request of a process. */
export interface ApiServices {
  readonly store: Engine['store']
  /** What lists are read from. */
  readonly lists: Engine['lists']
  readonly prisma: Engine['prisma']
  readonly engineKind: Engine['kind']
  readonly commands: Commands
  /** Those that a target may name. */
  readonly handlers: () => Promise<readonly HandlerDescription[]>
  readonly stream: RunStream
  readonly logStream: LogStream
  readonly jobStream: JobStream
  /** Calls back when this process gets to know of more of the stream; answers a function that ends that. */
  readonly onRise: WatchedHead['onRise']
  readonly now: () => Instant
  /** How long a claim holds without renewal: who tells nothing for longer is taken for dead. */
  readonly lease: Milliseconds
  readonly version: string
}

/** What resolvers get, one for each operation. */
export interface ApiContext extends ApiServices {
  /** Null: no credentials came although they are needed. */
  readonly viewer: Viewer | null
  /** That of the stream, where it was read before anything else of this operation; null: nobody asks for it. */
  readonly position: Promise<string> | null
  /** Replaced whenever what they have read may be stale: see `readAnew`. */
  loaders: Loaders
  /** Of this answer: an event of a subscription is one of its own. */
  answerSize: AnswerSize
}

/**
 * The context of one operation. `viewer` null: no credentials came although they are needed.
 * `mayLag`: its lists may be of a moment ago. Not those of a mutation, which show what it did, nor of an event, which show what it tells.
 */
export function createContext(
  services: ApiServices,
  viewer: Viewer | null,
  mayLag = false,
  position: Promise<string> | null = null,
): ApiContext {
  const { store, prisma } = services
  const lists = mayLag ? services.lists : store
  return { ...services, lists, viewer, position, loaders: createLoaders({ store, lists, prisma }), answerSize: new AnswerSize() }
}

/**
 * Forgets what this operation has read. A context lives as long as its operation: a subscription's second event, or a second mutation
 * in one document, would otherwise be answered with rows from before.
 */
export function readAnew(context: ApiContext): void {
  context.loaders = createLoaders(context)
}
