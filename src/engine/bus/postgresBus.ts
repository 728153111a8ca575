import type pg from 'pg'
import { type Milliseconds, SECOND } from '../../domain/instant.ts'
import type { DatabaseClock } from '../databaseClock.ts'
import type { Log } from '../ports.ts'
import { textArray } from '../store/postgres/columns.ts'
import type { Share } from '../store/postgres/shares.ts'
import type { Bus, Hint } from './bus.ts'
import { Line } from './line.ts'
import { localBus } from './localBus.ts'
import { Gathered, LOOK, type Message, notificationsOf, readNotification } from './notifications.ts'
import { Planners } from './planners.ts'

/** Hints wait so long for others that are told in the same breath: a notification costs a commit, and commits that notify wait in line. */
const GATHER: Milliseconds = 3
const BEAT: Milliseconds = SECOND
/** What is still to be told when the bus closes gets so long. */
const LAST_WORDS: Milliseconds = SECOND

const NOTIFY = 'SELECT pg_notify($1, text) FROM unnest($2::text[]) AS text'
const TIME = 'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now'
/** Notifications are the whole database's; hints, those of one schema. */
const CHANNEL = `SELECT 'orrery_' || md5(current_schema()) AS channel`

export interface PostgresBus extends Bus {
  /** As publish, for this process alone. */
  publishHere(hint: Hint): void
  /** As publish, for the other processes alone. */
  publishThere(hint: Hint): void
  /** This process plans jobs from now on: which of them are its share, by what it has heard of others. */
  share(): Share
}

export interface PostgresBusOptions {
  readonly url: string
  readonly applicationName: string
  readonly instanceId: string
  /** Measured with every beat. */
  readonly clock: DatabaseClock
  /** Called when a server answers anew after one did not answer any more: other connections to that one may wait for it in vain. */
  readonly onSilence: () => void
  readonly log: Log
}

/** Hints between processes, over LISTEN and NOTIFY. Resolves when it hears; rejects where there is no connection. */
export async function openPostgresBus(options: PostgresBusOptions): Promise<PostgresBus> {
  const bus = new Notifications(options)
  await bus.open()
  return bus
}

/**
 * Listeners of this process hear at once, in the turn in which something is published. Others hear by notifications, which are gathered
 * for a few milliseconds, merged, and sent one statement at a time, outside of all transactions.
 *
 * Whatever is lost on the way, in a time without connection, is made up for by a general "look": this process looks when it hears again,
 * and where hints of its own could not be sent, it tells the others to look too.
 */
class Notifications implements PostgresBus {
  readonly #self: string
  readonly #clock: DatabaseClock
  readonly #local: Bus
  readonly #line: Line
  readonly #onSilence: () => void
  readonly #planners: Planners
  readonly #gathered = new Gathered()
  #channel = ''
  #waiting: NodeJS.Timeout | undefined
  #sending: Promise<void> | null = null
  /** Hints could not be sent. */
  #silenced = false

  constructor({ url, applicationName, instanceId, clock, onSilence, log }: PostgresBusOptions) {
    this.#onSilence = onSilence
    this.#self = instanceId
    this.#clock = clock
    this.#local = localBus(log)
    this.#planners = new Planners(instanceId)
    this.#line = new Line({
      url,
      applicationName,
      every: BEAT,
      listen: (client) => this.#listen(client),
      hear: (text) => this.#hear(text),
      back: (silent) => this.#back(silent),
      beat: (client) => this.#beat(client),
      log,
    })
  }

  open(): Promise<void> {
    return this.#line.open()
  }

  publish(hint: Hint): void {
    this.#local.publish(hint)
    this.publishThere(hint)
  }

  publishHere(hint: Hint): void {
    this.#local.publish(hint)
  }

  publishThere(hint: Hint): void {
    this.#gathered.add(hint)
    this.#sendSoon()
  }

  subscribe(listener: (hint: Hint) => void): () => void {
    return this.#local.subscribe(listener)
  }

  share(): Share {
    // The others shall know at once, not a beat later.
    if (this.#planners.join()) void this.#line.beat()
    return this.#planners.share
  }

  async close(): Promise<void> {
    clearTimeout(this.#waiting)
    let given = () => {}
    const patience = new Promise<void>((resolve) => {
      given = resolve
    })
    const timer = setTimeout(given, LAST_WORDS)
    await Promise.race([this.#lastWords(), patience])
    clearTimeout(timer)
    await this.#line.close()
    await this.#local.close()
  }

  async #listen(client: pg.ClientBase): Promise<void> {
    const { rows } = await client.query<{ channel: string }>(CHANNEL)
    this.#channel = rows[0]!.channel
    await client.query(`LISTEN "${this.#channel}"`)
    await this.#beat(client)
  }

  #hear(text: string): void {
    const message = readNotification(text)
    if (message === null || message.from === this.#self) return
    if (message.plans !== undefined) this.#planners.heard(message.from, message.plans)
    for (const hint of message.hints) this.#local.publish(hint)
  }

  #back(silent: boolean): void {
    if (silent) this.#onSilence()
    for (const hint of LOOK) {
      this.#local.publish(hint)
      if (this.#silenced) this.#gathered.add(hint)
    }
    if (this.#silenced) this.#sendSoon()
    this.#silenced = false
  }

  /** Measures the clock, and where this process plans, says that it is there. */
  async #beat(client: pg.ClientBase): Promise<void> {
    await this.#clock.measure(async () => (await client.query<{ now: number }>(TIME)).rows[0]!.now)
    if (this.#planners.plans) await this.#say(client, true)
  }

  async #say(client: pg.ClientBase, plans: boolean): Promise<void> {
    await client.query(NOTIFY, [this.#channel, textArray([JSON.stringify({ from: this.#self, hints: [], plans } satisfies Message)])])
  }

  #sendSoon(): void {
    if (this.#waiting !== undefined || this.#sending !== null) return
    this.#waiting = setTimeout(() => {
      this.#waiting = undefined
      this.#sending = this.#send().finally(() => {
        this.#sending = null
        // Told between the last look of that and this moment.
        if (!this.#gathered.isEmpty) this.#sendSoon()
      })
    }, GATHER)
  }

  /** Sends what was gathered, and what is gathered meanwhile. Never rejects. */
  async #send(): Promise<void> {
    for (let hints = this.#gathered.take(); hints.length > 0; hints = this.#gathered.take()) {
      const { client } = this.#line
      if (client === null) {
        this.#silenced = true
        continue
      }
      try {
        await client.query(NOTIFY, [this.#channel, textArray(notificationsOf(this.#self, hints))])
      } catch (error) {
        this.#silenced = true
        this.#line.lost(client, error)
      }
    }
  }

  async #lastWords(): Promise<void> {
    await this.#sending
    await this.#send()
    const { client } = this.#line
    if (client === null || !this.#planners.plans) return
    this.#planners.leave()
    // Who does not hear it misses the beats instead.
    await this.#say(client, false).catch(() => {})
  }
}
