// A subscriber stops reading for a minute while thousands of events a second happen: what does it cost the server's memory, do the others
// notice, and does it get all it missed once it reads on? All subscribers ask the same, so the server tells them together.
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { on, once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { WebSocket } from 'ws'
import { createJobs } from '../test/support/jobs.ts'
import { type Orrery, startOrrery } from '../test/support/process.ts'
import { temporaryDirectory } from '../test/support/temporary.ts'
import { type Figures, percentile, progress, report, summarize } from './report.ts'

const HELP = `One of several equal subscribers stops reading.

  --rate N           events a second: half as many jobs fire every second, each run makes two (default 2000)
  --seconds N        how long it does not read (default 60); before and after it a sixth of that is looked at too
  --others N         subscribers that go on reading (default 5)
  --repetitions N    (default 1)

events/s         that each of the others was told while it stood still
RSS MB           the greatest resident memory of the server before, while it stood still, while it caught up, and after
others p50, p99  from an event's \`at\` (stamped before its commit, whole milliseconds) to the others
caught up s      from reading on until what it is told is less than a second old
missing, twice   runs whose end the others were told and it was not, or more than once`

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '60' },
    others: { type: 'string', default: '5' },
    repetitions: { type: 'string', default: '1' },
    slow: { type: 'string' },
    help: { type: 'boolean' },
  },
})

const WATCH = 'subscription { jobRuns { cursor at run { id status scheduledFor payload job { id name } } } }'
const EVENT = /"at":"([^"]+)","run":\{"id":"([^"]+)","status":"([A-Z_]+)"/

async function main(repetitions: number, rate: number, seconds: number, others: number): Promise<void> {
  const results: Figures[] = []
  for (let i = 1; i <= repetitions; i++) {
    progress(`repetition ${i} of ${repetitions}`)
    const orrery = await startOrrery({ directory: temporaryDirectory(), env: { LOG_LEVEL: 'warn', ORRERY_CONCURRENCY: '1000' } })
    await createFiringJobs(orrery, rate / 2)
    results.push(await measure(orrery, seconds * 1000, others))
    await orrery.kill('SIGTERM')
  }
  report('slowreader', repetitions, [
    { setting: `1 of ${others + 1} reads nothing for ${seconds} s, ${rate} events/s`, summary: summarize(results) },
  ])
}

/** Jobs that fire every second, spread over it. */
async function createFiringJobs(orrery: Orrery, jobs: number): Promise<void> {
  const base = Date.now() - 60_000
  await createJobs(
    orrery.url,
    Array.from({ length: jobs }, (_, i) => ({
      name: `bench ${i}`,
      schedule: { interval: { every: '1s', anchor: new Date(base + Math.floor((1000 * i) / jobs)).toISOString() } },
      target: { handler: { handler: 'noop' } },
      payload: { filling: 'x'.repeat(200) },
    })),
  )
}

interface Phase {
  readonly seconds: number
  /** The greatest resident memory of the server, in MB. */
  readonly rss: number
  /** Events a second that each of the others was told, and how late. */
  readonly rate: number
  readonly p50: number
  readonly p99: number
}

async function measure(orrery: Orrery, stalled: number, count: number): Promise<Figures> {
  const others = await Promise.all(Array.from({ length: count }, () => Subscriber.open(orrery.url)))
  const slow = await SlowSubscriber.open(orrery)
  const during = async (name: string, ended: Promise<unknown>): Promise<Phase> => {
    progress(name)
    for (const each of others) each.delays = []
    const begun = performance.now()
    const greatest = await greatestRss(orrery, ended)
    const seconds = (performance.now() - begun) / 1000
    const delays = others.flatMap((each) => each.delays).sort((a, b) => a - b)
    return {
      seconds,
      rss: greatest / 2 ** 20,
      rate: delays.length / count / seconds,
      p50: percentile(delays, 0.5),
      p99: percentile(delays, 0.99),
    }
  }

  await during('warming up', delay(10_000))
  others[0]!.ends.clear()
  const before = await during('all read', delay(stalled / 6))
  slow.send('stall')
  const standing = await during(`one reads nothing for ${stalled / 1000} s`, delay(stalled))
  slow.send('read on')
  const catching = await during('it reads on', slow.answer('current'))
  const after = await during('all read', delay(stalled / 6))
  const told = [...others[0]!.ends.keys()]
  // What the others have been told is on its way to it too.
  await delay(2_000)
  slow.send('end')
  const ends = new Map((await slow.answer('ends')) as [string, number][])
  for (const { socket } of others) socket.terminate()
  return {
    'events/s': standing.rate,
    'RSS MB before': before.rss,
    stalled: standing.rss,
    'catching up': catching.rss,
    after: after.rss,
    'others p50 ms before': before.p50,
    'p99 before': before.p99,
    'p50 stalled': standing.p50,
    'p99 stalled': standing.p99,
    'p99 catching up': catching.p99,
    'caught up s': catching.seconds,
    'runs seen to end': told.length,
    missing: told.filter((run) => !ends.has(run)).length,
    twice: [...ends.values()].filter((times) => times > 1).length,
  }
}

async function greatestRss(orrery: Orrery, ended: Promise<unknown>): Promise<number> {
  let greatest = orrery.usage().rss
  const sampling = setInterval(() => {
    greatest = Math.max(greatest, orrery.usage().rss)
  }, 250)
  await ended
  clearInterval(sampling)
  return greatest
}

class Subscriber {
  readonly socket: WebSocket
  /** How often it was told the end of each run. */
  readonly ends = new Map<string, number>()
  /** How old each event was when it came. */
  delays: number[] = []
  #current: (() => void) | null = null

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data: Buffer) => this.#told(data.toString()))
  }

  static async open(url: string): Promise<Subscriber> {
    const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws')
    await once(socket, 'open')
    socket.send('{"type":"connection_init"}')
    await once(socket, 'message')
    socket.send(JSON.stringify({ id: randomUUID(), type: 'subscribe', payload: { query: WATCH } }))
    return new Subscriber(socket)
  }

  /** Resolves when it is told something that is less than a second old. */
  isCurrent(): Promise<void> {
    return new Promise((resolve) => {
      this.#current = resolve
    })
  }

  #told(message: string): void {
    const [, at, run, status] = EVENT.exec(message) ?? []
    if (at === undefined || run === undefined) throw new Error(message)
    const age = performance.timeOrigin + performance.now() - Date.parse(at)
    this.delays.push(age)
    if (status === 'SUCCEEDED') this.ends.set(run, (this.ends.get(run) ?? 0) + 1)
    if (age < 1_000) this.#current?.()
  }
}

/** It has a process of its own: what it catches up with must not keep the others from reading. */
class SlowSubscriber {
  readonly #process: ChildProcess

  private constructor(child: ChildProcess) {
    this.#process = child
  }

  static async open({ url }: Orrery): Promise<SlowSubscriber> {
    const slow = new SlowSubscriber(fork(import.meta.filename, ['--slow', url]))
    await slow.answer('subscribed')
    return slow
  }

  send(order: 'stall' | 'read on' | 'end'): void {
    this.#process.send(order)
  }

  async answer(kind: 'subscribed' | 'current' | 'ends'): Promise<unknown> {
    for await (const [[told, more]] of on(this.#process, 'message')) if (told === kind) return more
    throw new Error('the slow subscriber ended')
  }

  static async run(url: string): Promise<void> {
    const subscriber = await Subscriber.open(url)
    const tell = (kind: string, more: unknown = null) => process.send?.([kind, more])
    process.on('message', async (order) => {
      if (order === 'stall') subscriber.socket.pause()
      if (order === 'read on') {
        subscriber.socket.resume()
        await subscriber.isCurrent()
        tell('current')
      }
      if (order === 'end') {
        subscriber.socket.terminate()
        process.send?.(['ends', [...subscriber.ends]], () => process.disconnect())
      }
    })
    tell('subscribed')
  }
}

if (values.slow !== undefined) await SlowSubscriber.run(values.slow)
else if (values.help) console.log(HELP)
else await main(Number(values.repetitions), Number(values.rate), Number(values.seconds), Number(values.others))
