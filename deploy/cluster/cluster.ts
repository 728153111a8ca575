import type { Backoff } from './backoff.ts'
import { ClusterDatabase } from './database.ts'
import { Member } from './member.ts'
import { freePort, isFree } from './ports.ts'

/** Beyond those of its pool a process has some for the API's reads, for notifications and for migrations. */
const OTHER_CONNECTIONS = 10

export interface ClusterOptions {
  /** How many processes there are of each role. */
  readonly counts: Readonly<Record<Role, number>>
  /** Of the first api process; all others follow it. 0 takes free ones. */
  readonly port: number
  readonly host: string
  /** Where the embedded database is kept between starts. */
  readonly folder: string
  /** A Postgres database to use in place of the embedded one; null: none. */
  readonly databaseUrl: string | null
  /** Of one process to the database. */
  readonly connections: number
  /** Given to every process, which gets its role, port and database besides. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly drainTimeout: number
  readonly backoff: Backoff
  /** A line that a process wrote. */
  readonly write: (process: string, line: string) => void
  /** What the cluster itself has to say. */
  readonly say: (text: string) => void
}

/** A cluster on this machine, as compose.yaml has it in containers. */
export interface Cluster {
  /** Of the api processes. */
  readonly urls: readonly string[]
  /** Stops everything, what was started last first. */
  stop(): Promise<void>
  /** Ends everything at once. */
  kill(): void
}

const ROLES = ['api', 'scheduler', 'worker'] as const
export type Role = (typeof ROLES)[number]
/** The API first, so that nothing new comes in; workers finish while schedulers and the database are still there. */
const STOP_ORDER: readonly Role[] = ['api', 'worker', 'scheduler']

/** Starts the database and all processes; resolves when all are ready. `signal` ends a start half way, which then rejects. */
export async function startCluster(options: ClusterOptions, signal: AbortSignal): Promise<Cluster> {
  const { counts, databaseUrl, connections, env } = options
  const roles = ROLES.flatMap((role) => Array<Role>(counts[role]).fill(role))
  const ports = await choosePorts(roles.length, options)
  const ofAll = (connections + OTHER_CONNECTIONS) * roles.length
  const database = databaseUrl === null ? await ClusterDatabase.start({ ...options, connections: Math.max(100, ofAll) }) : null
  const members = roles.map((role, index) => {
    const name = `${role}-${1 + index - roles.indexOf(role)}`
    const own = { DATABASE_URL: databaseUrl ?? database!.url, ORRERY_ROLES: role, PORT: String(ports[index]) }
    return new Member({ ...options, name, env: { ...env, ...own }, write: (line) => options.write(name, line) })
  })
  const stop = async (): Promise<void> => {
    for (const role of STOP_ORDER) await Promise.all(members.map((member, index) => (roles[index] === role ? member.stop() : undefined)))
    await database?.stop()
  }
  try {
    const urls = await unlessAborted(signal, () => Promise.all(members.map((member) => member.start())))
    return {
      urls: urls.slice(0, counts.api),
      stop,
      kill() {
        for (const member of members) member.kill()
        void database?.kill()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function choosePorts(count: number, { port, host }: ClusterOptions): Promise<number[]> {
  if (port === 0) {
    const chosen = new Set<number>()
    while (chosen.size < count) chosen.add(await freePort())
    return [...chosen]
  }
  const ports = Array.from({ length: count }, (_, index) => port + index)
  for (const each of ports)
    if (!(await isFree(each, host)))
      throw new Error(`Port ${each} is taken; the processes need ${ports[0]} to ${ports.at(-1)}. Give another --port, or 0 for free ones.`)
  return ports
}

async function unlessAborted<T>(signal: AbortSignal, start: () => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([start(), aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
