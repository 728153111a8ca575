import { randomFillSync } from 'node:crypto'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import type { Commands } from '../../src/commands/commands.ts'
import { createCommands } from '../../src/commands/commands.ts'
import type { CreateJobInput } from '../../src/commands/inputs.ts'
import { type Engine, openEngine } from '../../src/engine/engine.ts'
import { Scheduler } from '../../src/scheduler/scheduler.ts'
import type { TargetRules } from '../../src/worker/targetRules.ts'
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
  /** Changes the file behind the engine's back, as a fault of ours or of a disk would. */
  tamper(sql: string, ...values: readonly unknown[]): void
}

interface Options {
  readonly targetRules?: TargetRules
  readonly clock?: HandClock
  /** Where the database is, or will be; a folder of its own unless given. */
  readonly directory?: string
}

/** A real engine on a fresh file, with commands and a scheduler that a test ticks by hand. Closed when the test ends. */
export async function openParts(t: TestContext, options: Options = {}): Promise<Parts> {
  const { entries, log } = keepingLog()
  const clock = options.clock ?? new HandClock(NOON)
  const file = `${options.directory ?? temporaryDirectory()}/orrery.db`
  const engine = await openEngine({ databaseUrl: `file:${file}`, instanceId: 'ins_test', log: log as never })
  // What was opened last is closed first: a worker still has outcomes to store.
  const closings = [() => engine.close()]
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
  const tamper = (sql: string, ...values: readonly unknown[]) => {
    const db = new Database(file)
    db.prepare(sql).run(...values)
    db.close()
  }
  return { engine, clock, commands, scheduler, entries, create, tamper, atEnd: (close) => closings.push(close) }
}
