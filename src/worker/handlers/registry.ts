import { readdir } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import type { HandlerRow } from '../../engine/store/store.ts'
import { BUILT_IN_HANDLERS, type BuiltInHandler } from './builtIn.ts'
import { wrongHandlerName } from './definition.ts'
import type { Telling } from './host.ts'
import type { HandlerHosts } from './hosts.ts'
import type { ModuleDescription, PayloadIssue, Task, TaskEnd } from './protocol.ts'

const EXTENSIONS = new Set(['.ts', '.mts', '.js', '.mjs'])
/** How long a module may take to load at the start. */
const LOAD_WITHIN = 15_000
/** How long a schema may take to say whether it accepts a payload. */
const CHECK_WITHIN = 5_000

const DEAF: Telling = { log() {}, progress() {} }

/** A handler as the API shows it, and as other processes know it. */
export type HandlerDescription = HandlerRow

export type Handler =
  | { readonly kind: 'built-in'; readonly handler: BuiltInHandler }
  | { readonly kind: 'module'; readonly file: string; readonly hasSchema: boolean }

/** Every handler that a target may name in this process. */
export interface Handlers {
  /** By name. */
  readonly list: readonly HandlerDescription[]
  find(name: string): Handler | null
  /** What a handler's schema finds wrong with a payload (JSON text, or null for none). Nothing for a handler that is not known. */
  check(name: string, payload: string | null): Promise<readonly PayloadIssue[]>
}

interface Registered {
  readonly handler: Handler
  readonly shown: HandlerDescription
  /** Where it is defined, for messages. */
  readonly home: string
}

/**
 * The built-in handlers and those of the modules directly in a folder. Modules are loaded in a thread, never here. Throws an Error that
 * names the file and says what is wrong: a module that cannot be loaded, is no handler, or takes a name that another has.
 */
export async function loadHandlers(folder: string | null, hosts: HandlerHosts): Promise<Handlers> {
  const registered = new Map<string, Registered>()
  const register = (each: Registered) => {
    const other = registered.get(each.shown.name)
    if (other) throw new Error(`${each.home}: the name ${JSON.stringify(each.shown.name)} is taken by the handler of ${other.home}`)
    registered.set(each.shown.name, each)
  }
  for (const handler of BUILT_IN_HANDLERS) {
    const { name, description } = handler
    register({ handler: { kind: 'built-in', handler }, shown: { name, description, payloadSchema: null }, home: 'the server itself' })
  }
  // One after the other, so that a module which never ends loading is known by name.
  for (const file of folder === null ? [] : await moduleFiles(folder)) register(await describe(file, hosts))
  return {
    list: [...registered.values()].map(({ shown }) => shown).sort((a, b) => (a.name < b.name ? -1 : 1)),
    find: (name) => registered.get(name)?.handler ?? null,
    async check(name, payload) {
      const handler = registered.get(name)?.handler
      if (handler?.kind !== 'module' || !handler.hasSchema) return []
      return checkTask(hosts, { kind: 'check', file: handler.file, payload })
    },
  }
}

/** What a thread finds wrong with a payload. */
export async function checkTask(
  hosts: Pick<HandlerHosts, 'perform'>,
  task: Extract<Task, { kind: 'check' | 'fit' }>,
): Promise<readonly PayloadIssue[]> {
  const signal = AbortSignal.timeout(CHECK_WITHIN)
  // Who asks need not wait until a schema that does not answer has been ended.
  return issuesOf(await Promise.race([hosts.perform(task, signal, DEAF), endOf(signal)]))
}

async function moduleFiles(folder: string): Promise<string[]> {
  const root = resolve(folder)
  const entries = await readdir(root, { withFileTypes: true }).catch((error: Error) => {
    throw new Error(`The folder of handlers cannot be read: ${error.message}`)
  })
  return entries
    .filter(
      (entry) =>
        !entry.isDirectory() && !entry.name.startsWith('.') && !/\.d\.m?ts$/.test(entry.name) && EXTENSIONS.has(extname(entry.name)),
    )
    .map((entry) => join(root, entry.name))
    .sort()
}

async function describe(file: string, hosts: HandlerHosts): Promise<Registered> {
  const end = await hosts.perform({ kind: 'describe', file }, AbortSignal.timeout(LOAD_WITHIN), DEAF)
  if (end.kind !== 'done') throw new Error(`${file}: ${whyNot(end, `loading it took longer than ${LOAD_WITHIN / 1000} s`)}`)
  const { name: given, description, hasSchema, payloadSchema } = JSON.parse(end.value ?? '') as ModuleDescription
  const name = given ?? basename(file, extname(file))
  const wrong = wrongHandlerName(name)
  if (wrong !== null) throw new Error(`${file}: ${wrong}`)
  return { handler: { kind: 'module', file, hasSchema }, shown: { name, description, payloadSchema }, home: file }
}

function endOf(signal: AbortSignal): Promise<TaskEnd> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'ended' }), { once: true }))
}

function issuesOf(end: TaskEnd): readonly PayloadIssue[] {
  if (end.kind === 'done') return JSON.parse(end.value ?? '[]')
  return [
    {
      path: [],
      message: `The handler's schema could not check the payload: ${whyNot(end, `it took longer than ${CHECK_WITHIN / 1000} s`)}`,
    },
  ]
}

function whyNot(end: Exclude<TaskEnd, { kind: 'done' }>, tooLong: string): string {
  switch (end.kind) {
    case 'failed':
      return end.failure.message
    case 'ended':
      return tooLong
    case 'interrupted':
      return 'the thread ended; try again'
  }
}
