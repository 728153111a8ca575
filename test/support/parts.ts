import { randomFillSync } from 'node:crypto'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import pg from 'pg'
import type { Commands } from '../../src/commands/commands.ts'
import { createCommands } from '../../src/commands/commands.ts'
import type { CreateJobInput } from '../../src/commands/inputs.ts'
import { type Engine, openEngine } from '../../src/engine/engine.ts'
import { Scheduler } from '../../src/scheduler/scheduler.ts'
import type { TargetRules } from '../../src/worker/targetRules.ts'
import { createPostgresDatabase, type PostgresDatabase } from './postgres.ts'
import { temporaryDirectory } from './temporary.ts'

/** A log that keeps what it was told. */
export function keepingLog() {
  const entries: { level: string; message: string; fields: object }[] = []
  const at = (level: string) => (fields: object, message: string) => {
    entries.push({ level, message, fields })
  }
  return { entries, log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}

/** A clock that a test moves by hand, or, without an instant, the machine's. */
export class HandClock {
  instant: number | null
  constructor(instant: number | null) {
    this.instant = instant
  }
  readonly now = (): number => this.instant ?? Date.now()
  forward(milliseconds: number): number {
    this.instant = this.now() + milliseconds
    return this.instant
  }
}

export const everythingAllowed: TargetRules = { check: async () => [] }
export const caller = { name: 'tester' }

/** Noon of an ordinary day. */
export const NOON = Date.UTC(2026, 5, 10, 12)

export interface Parts {
  readonly engine: Engine
  readonly clock: HandClock
  readonly commands: Commands
  readonly scheduler: Scheduler
  readonly entries: ReturnType<typeof keepingLog>['entries']
  /** Runs before the engine is closed at the end of the test. */
  atEnd(close: () => Promise<void>): void
  /** Creates a job that must be accepted; answers its id. */
  create(input: Partial<CreateJobInput>): Promise<string>
  /** Changes the database behind the engine's back, as a fault of ours or of a disk would. Values stand for `?`. Done at once on SQLite. */
  tamper(sql: string, ...values: readonly unknown[]): Promise<void>
}

type EngineName = 'sqlite' | 'postgres'

let usual: EngineName = 'sqlite'

/** On which engine parts are opened where the test does not say. For files that run the tests of others a second time (test/postgres). */
export function openPartsOn(engine: EngineName): void {
  usual = engine
}

interface Options {
  readonly targetRules?: TargetRules
  readonly clock?: HandClock
  readonly engine?: EngineName
  /** Names the database, so that it can be opened again; where SQLite has its file. A database of its own unless given. */
  readonly directory?: string
}

/** A real engine on a fresh database, with commands and a scheduler that a test ticks by hand. Closed when the test ends. */
export async function openParts(t: TestContext, options: Options = {}): Promise<Parts> {
  const { entries, log } = keepingLog()
  const clock = options.clock ?? new HandClock(NOON)
  const database = (options.engine ?? usual) === 'postgres' ? await postgresDatabase(options) : sqliteDatabase(options)
  const engine = await openEngine({ databaseUrl: database.url, instanceId: 'ins_test', log: log as never })
  // What was opened last is closed first: a worker still has outcomes to store.
  const closings = [database.close, () => engine.close()]
  t.after(async () => {
    for (const close of closings.reverse()) await close()
  })
  const commands = createCommands({ store: engine.store, targetRules: options.targetRules ?? everythingAllowed, now: clock.now })
  const scheduler = new Scheduler({
    store: engine.store,
    bus: engine.bus,
    log: log as never,
    now: clock.now,
    randomBytes: (bytes) => randomFillSync(bytes),
  })
  const create = async (input: Partial<CreateJobInput>) => {
    const result = await commands.createJob(
      { name: 'minutely', schedule: { interval: { every: 60_000 } }, onConflict: 'FAIL', ...input },
      caller,
    )
    if (!result.ok) throw new Error(JSON.stringify(result.errors))
    return result.value.jobId
  }
  return { engine, clock, commands, scheduler, entries, create, tamper: database.tamper, atEnd: (close) => closings.push(close) }
}

interface PartsDatabase {
  readonly url: string
  readonly tamper: Parts['tamper']
  readonly close: () => Promise<void>
}

function sqliteDatabase({ directory = temporaryDirectory() }: Options): PartsDatabase {
  const file = `${directory}/orrery.db`
  return {
    url: `file:${file}`,
    async tamper(sql, ...values) {
      const db = new Database(file)
      db.prepare(sql).run(...values)
      db.close()
    },
    close: async () => {},
  }
}

/** By the directory that names them: they go with the run. */
const named = new Map<string, Promise<PostgresDatabase>>()

async function postgresDatabase({ directory }: Options): Promise<PartsDatabase> {
  if (directory !== undefined && !named.has(directory)) named.set(directory, createPostgresDatabase())
  const { url, drop } = await (directory === undefined ? createPostgresDatabase() : named.get(directory)!)
  return {
    url,
    async tamper(sql, ...values) {
      let given = 0
      const client = new pg.Client(url)
      await client.connect()
      await client.query(
        sql.replaceAll('?', () => `$${++given}`),
        [...values],
      )
      await client.end()
    },
    close: directory === undefined ? drop : async () => {},
  }
}
