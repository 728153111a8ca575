import { setTimeout as delay } from 'node:timers/promises'
import { Cluster, type Member, type MemberRole } from '../cluster.ts'
import { streamPosition } from '../jobs.ts'
import { type OwnPostgres, startPostgres } from '../postgres.ts'
import { onPostgres } from '../postgresRows.ts'
import { becomesQuiet, brokenPromises, stopFiring, undelivered, unheard, unheardWhileStanding } from './aftermath.ts'
import { type Acknowledged, nothingAcknowledged, RandomCaller } from './callers.ts'
import { Follower } from './follower.ts'
import type { Kinds } from './jobs.ts'
import { countLedger, type LedgerCount, unexplainedRuns } from './ledger.ts'
import { askProduct, type ProductsWord } from './productsWord.ts'
import { Receiver } from './receiver.ts'
import { type Random, seeded } from './seeded.ts'
import { readPostgresTables } from './tables.ts'
import { COMMANDS, HANDLERS, randomTarget } from './targets.ts'

export interface ClusterChaosOptions {
  readonly seed: number
  readonly jobs: number
  readonly members: Readonly<Record<MemberRole, number>>
  /** How long commands are given and processes killed, in ms. */
  readonly span: number
  /** It goes on for longer until there were so many, as on a busy machine. */
  readonly least?: { readonly blows: number; readonly runs: number }
  /** Between two blows, in ms. */
  readonly blowEvery: number
  /** ORRERY_LEASE, in ms: frozen processes stay so for longer. */
  readonly lease: number
  /** How long runs are given to end by themselves afterwards. */
  readonly patience: number
  readonly longestInterval: number
  readonly callers: number
  /** Milliseconds between two commands of a caller, at most. */
  readonly rest: number
  readonly directory: string
  readonly tell: (text: string) => void
}

export interface ClusterChaosOutcome {
  readonly ledger: LedgerCount
  readonly runs: number
  readonly acknowledged: Acknowledged
  readonly blows: Readonly<Record<Blow, number>>
  /** Runs whose final state was changed afterwards, as a trigger in the database saw it. */
  readonly finishedTwice: number
  /** Outcomes of workers that had lost their lease: rejected and logged. */
  readonly lateOutcomes: number
  readonly attemptsLost: number
  readonly requests: number
  readonly events: number
  readonly connections: number
  readonly word: ProductsWord
  readonly problems: readonly string[]
}

const BLOWS = { kill: 60, freeze: 27, database: 13 } as const
type Blow = keyof typeof BLOWS
const CONCURRENCY = 64
const FOLLOWERS = 3

/**
 * API, scheduler and worker processes on one Postgres. Again and again one of them is killed, or frozen until its lease is over and then
 * thawed, or the database is. Jobs of all kinds fire, commands are given at random, clients follow it all from one server to the next.
 * Then the blows end, and everything that was promised is looked up.
 */
export async function liveThroughClusterChaos(options: ClusterChaosOptions): Promise<ClusterChaosOutcome> {
  const postgres = await startPostgres()
  const receiver = new Receiver()
  await receiver.start()
  const cluster = new Cluster({
    databaseUrl: postgres.url,
    directory: options.directory,
    members: options.members,
    env: {
      LOG_LEVEL: 'warn',
      ORRERY_HANDLERS: HANDLERS,
      ORRERY_ALLOW_TARGETS: '127.0.0.1',
      ORRERY_ALLOW_COMMANDS: COMMANDS.join(','),
      ORRERY_CONCURRENCY: String(CONCURRENCY),
      ORRERY_LEASE: `${options.lease}ms`,
      ORRERY_DRAIN_TIMEOUT: '2s',
    },
  })
  try {
    await cluster.ready()
    await watchFinals(postgres.url)
    return await new Chaos(options, { postgres, receiver, cluster }).live()
  } finally {
    receiver.close()
    await postgres.remove()
  }
}

class Chaos {
  readonly #options: ClusterChaosOptions
  readonly #random: Random
  readonly #postgres: OwnPostgres
  readonly #receiver: Receiver
  readonly #cluster: Cluster
  readonly #blows: Record<Blow, number> = { kill: 0, freeze: 0, database: 0 }
  /** Blows whose effect still has to pass: those frozen thaw, those killed come back. */
  readonly #passing = new Set<Promise<void>>()
  readonly #busy = new Set<Member>()

  constructor(
    options: ClusterChaosOptions,
    parts: { readonly postgres: OwnPostgres; readonly receiver: Receiver; readonly cluster: Cluster },
  ) {
    this.#options = options
    this.#random = seeded(options.seed)
    this.#postgres = parts.postgres
    this.#receiver = parts.receiver
    this.#cluster = parts.cluster
  }

  async live(): Promise<ClusterChaosOutcome> {
    const { span, longestInterval, rest, tell } = this.#options
    const cluster = this.#cluster
    const acknowledged = nothingAcknowledged()
    const after = await streamPosition(await cluster.url())
    const followers = Array.from({ length: FOLLOWERS }, () => new Follower({ url: cluster.url, after, databaseMayGo: true }))
    for (const follower of followers) follower.start()
    const kinds: Kinds = { span, longestInterval, hurried: true, target: (from) => randomTarget(from, this.#receiver) }
    const callers = this.#callers(kinds, followers[0]!, acknowledged)
    await Promise.all(callers.map((caller) => caller.populate(Math.ceil(this.#options.jobs / callers.length))))
    tell(`${acknowledged.versions.size} jobs created`)

    const ends = Date.now() + span
    const { blows, runs } = this.#options.least ?? { blows: 0, runs: 0 }
    const dealt = () => Object.values(this.#blows).reduce((sum, count) => sum + count, 0)
    const over = () => Date.now() >= ends && dealt() >= blows && acknowledged.runs.size >= runs
    await Promise.all([...callers.map((caller) => caller.call(over, rest)), this.#strike(over, followers[0]!)])
    await Promise.all(this.#passing)
    await cluster.ready()
    return this.#lookUp(followers, acknowledged)
  }

  #callers(kinds: Kinds, follower: Follower, acknowledged: Acknowledged): readonly RandomCaller[] {
    return Array.from(
      { length: this.#options.callers },
      (_, i) =>
        new RandomCaller(`caller ${i}`, {
          process: this.#cluster,
          follower,
          random: seeded(this.#random.int(0, 2 ** 31)),
          kinds,
          acknowledged,
        }),
    )
  }

  /** One blow after the other; what follows from one may still be passing when the next one falls. */
  async #strike(over: () => boolean, follower: Follower): Promise<void> {
    const began = Date.now()
    for (let blow = 1; ; blow++) {
      await delay(Math.max(0, began + blow * this.#options.blowEvery - Date.now()))
      if (over()) return
      const what = await this.#blow(this.#random.weighted(BLOWS))
      this.#options.tell(`${Math.round((Date.now() - began) / 1000)} s: ${what}; ${follower.events} events seen`)
    }
  }

  async #blow(kind: Blow): Promise<string> {
    this.#blows[kind] += 1
    if (kind === 'database') {
      await this.#postgres.stop(this.#random.pick(['immediate', 'fast'] as const))
      await delay(this.#random.int(100, 3_000))
      await this.#postgres.start()
      return 'the database was started again'
    }
    const free = this.#cluster.members.filter((member) => !this.#busy.has(member))
    const member = this.#random.pick(kind === 'freeze' ? preferWorkers(free, this.#random) : free)
    this.#busy.add(member)
    if (kind === 'kill') this.#passes(member, member.killAndRestart())
    else this.#passes(member, this.#freeze(member))
    return `${member.name}: ${kind}`
  }

  async #freeze(member: Member): Promise<void> {
    await member.freeze()
    await delay(this.#options.lease * 1.5 + this.#random.int(500, 3_000))
    await member.thaw()
  }

  #passes(member: Member, passing: Promise<unknown>): void {
    const all = passing.then(() => {
      this.#busy.delete(member)
      this.#passing.delete(all)
    })
    this.#passing.add(all)
  }

  async #lookUp(followers: readonly Follower[], acknowledged: Acknowledged): Promise<ClusterChaosOutcome> {
    const cluster = this.#cluster
    const receiver = this.#receiver
    const url = await cluster.url()
    await stopFiring(url)
    const quiet = await becomesQuiet(url, this.#options)
    const word = await askProduct(url)
    const ended = await readPostgresTables(this.#postgres.url)
    for (const follower of followers) follower.problems.push(...(await unheardWhileStanding(ended, follower)))
    const position = await streamPosition(url)
    for (const follower of followers) {
      await follower.reaches(position, 60_000).catch((error: Error) => follower.problems.push(error.message))
      await follower.stop()
    }
    const stopsAt = Date.now()
    await cluster.stop()
    const tables = await readPostgresTables(this.#postgres.url)
    const ledger = countLedger(tables)
    const { finishedTwice, attemptsLost } = await readWatch(this.#postgres.url)
    return {
      ledger,
      runs: tables.runs.length,
      acknowledged,
      blows: this.#blows,
      finishedTwice,
      attemptsLost,
      lateOutcomes: cluster.lateOutcomes,
      requests: receiver.count,
      events: sumOf(followers, ({ events }) => events),
      connections: sumOf(followers, ({ connections }) => connections),
      word,
      problems: [
        ...quiet,
        ...word.problems,
        ...ledger.problems,
        ...unexplainedRuns(tables, stopsAt, CONCURRENCY * this.#options.members.worker),
        ...brokenPromises(tables, acknowledged),
        ...followers.flatMap((follower) => [...unheard(tables, follower), ...follower.problems]),
        ...undelivered(tables, receiver),
        ...acknowledged.problems,
        ...cluster.problems,
        ...(finishedTwice === 0 ? [] : [`${finishedTwice} runs changed after their end`]),
      ],
    }
  }
}

/** A worker that is frozen with work in its hands is what leases are for. */
function preferWorkers(members: readonly Member[], random: Random): readonly Member[] {
  const workers = members.filter(({ role }) => role === 'worker')
  return workers.length > 0 && random.chance(0.7) ? workers : members
}

function sumOf(followers: readonly Follower[], of: (follower: Follower) => number): number {
  return followers.reduce((sum, follower) => sum + of(follower), 0)
}

/** Lets the database itself note every change of a run that had ended, whoever makes it. */
async function watchFinals(url: string): Promise<void> {
  await onPostgres(url, (client) =>
    client.query(`
      CREATE TABLE "finishedTwice" ("runId" text, "was" text, "is" text);
      CREATE FUNCTION "noteFinishedTwice"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO "finishedTwice" VALUES (OLD.id, OLD.status || ' ' || OLD."finishedAt", NEW.status || ' ' || NEW."finishedAt");
        RETURN NULL;
      END $$;
      CREATE TRIGGER "finishedTwice" AFTER UPDATE ON "Run" FOR EACH ROW
        WHEN (OLD."finishedAt" IS NOT NULL AND (OLD.status, OLD."finishedAt", OLD.output, OLD.attempt) IS DISTINCT FROM (NEW.status, NEW."finishedAt", NEW.output, NEW.attempt))
        EXECUTE FUNCTION "noteFinishedTwice"()`),
  )
}

async function readWatch(url: string): Promise<{ readonly finishedTwice: number; readonly attemptsLost: number }> {
  return onPostgres(url, async (client) => {
    const { rows } = await client.query(
      `SELECT (SELECT count(*)::int FROM "finishedTwice") AS "finishedTwice", (SELECT count(*)::int FROM "Attempt" WHERE status = 'LOST') AS "attemptsLost"`,
    )
    return rows[0] as { finishedTwice: number; attemptsLost: number }
  })
}
