// One change, told to thousands of subscribers over WebSockets: when has the last of them got it? Server and subscribers are processes of
// their own; beside the product, in the same run, a bare `ws` and graphql-ws with Yoga's publish and subscribe.
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createJob, triggerJob } from '../test/support/jobs.ts'
import { startOrrery, usageOf } from '../test/support/process.ts'
import { temporaryDirectory } from '../test/support/temporary.ts'
import { PEER_QUERY, type PeerPublished, type PeerReady } from './fanPeers.ts'
import type { AllSubscribed, AllTold, SubscribersOptions } from './fanSubscribers.ts'
import { type Figures, type Line, percentile, progress, report, summarize } from './report.ts'

const HELP = `One change to thousands of equal subscriptions over WebSockets.

  --subscribers N,N  how many (default 1000,5000)
  --servers S,S      orrery, ws, yoga (default: all three)
  --changes N        measured in each repetition, after 5 that are not (default 15)
  --repetitions N    (default 3)

last ms, p90 ms     from the change to the last subscriber: the median and the 90th percentile of the changes. For the product from the
                    event's \`at\`, which is stamped before the commit that makes it durable; for the others from just before they publish
p50 ms, first ms    the same to the median subscriber, and to the first
CPU µs              processor time of the server for each delivery, with everything else that it does for the change
KB each             resident memory of the server for each subscriber, 1.5 s after the last has subscribed`

const { values } = parseArgs({
  options: {
    subscribers: { type: 'string', default: '1000,5000' },
    servers: { type: 'string', default: 'orrery,ws,yoga' },
    changes: { type: 'string', default: '15' },
    repetitions: { type: 'string', default: '3' },
    help: { type: 'boolean' },
  },
})

const WATCH =
  'subscription { jobRuns(filter: { finalOnly: true }) { cursor at run { id status trigger scheduledFor startedAt finishedAt job { id name } } } }'
const WARM_UP = 5

interface Server {
  readonly pid: number
  readonly port: number
  readonly query: string | null
  /** Makes one change. Answers when it was, where the event does not tell. */
  change(): Promise<number | null>
  stop(): Promise<unknown>
}

async function main(repetitions: number, counts: readonly number[], servers: readonly string[], changes: number): Promise<void> {
  const lines: Line[] = []
  for (const count of counts) {
    for (const name of servers) {
      const results: Figures[] = []
      for (let i = 1; i <= repetitions; i++) {
        progress(`${name}, ${count} subscribers, repetition ${i} of ${repetitions}`)
        results.push(await measure(name === 'orrery' ? await product() : await peer(name), count, changes))
      }
      lines.push({ setting: `${name}, ${count} subscribers`, summary: summarize(results) })
    }
  }
  report('fanout', repetitions, lines)
}

async function measure(server: Server, count: number, changes: number): Promise<Figures> {
  await delay(500)
  const { rss: alone } = usageOf(server.pid)
  const options: SubscribersOptions = { port: server.port, count, query: server.query }
  const subscribers = fork(join(import.meta.dirname, 'fanSubscribers.ts'), [JSON.stringify(options)])
  const connecting = performance.now()
  await messageOf<AllSubscribed>(subscribers, 'ready')
  const connected = performance.now() - connecting
  await delay(1_500)
  const { rss } = usageOf(server.pid)

  const delays = { first: [] as number[], middle: [] as number[], last: [] as number[] }
  let before = usageOf(server.pid)
  for (let change = 0; change < WARM_UP + changes; change++) {
    if (change === WARM_UP) before = usageOf(server.pid)
    const arriving = messageOf<AllTold>(subscribers, 'event')
    const changed = await server.change()
    const event = await arriving
    const at = changed ?? atOf(event.text)
    if (change >= WARM_UP) for (const name of ['first', 'middle', 'last'] as const) delays[name].push(event[name] - at)
    await delay(100)
  }
  const after = usageOf(server.pid)
  subscribers.disconnect()
  await server.stop()
  const of = (name: keyof typeof delays, share: number) =>
    percentile(
      delays[name].sort((a, b) => a - b),
      share,
    )
  return {
    'last ms': of('last', 0.5),
    'p90 ms': of('last', 0.9),
    'p50 ms': of('middle', 0.5),
    'first ms': of('first', 0.5),
    'CPU µs': (1000 * (after.cpu - before.cpu)) / (changes * count),
    'KB each': (rss - alone) / 1024 / count,
    'connect ms': connected,
  }
}

function atOf(text: string): number {
  return Date.parse(/"at":"([^"]+)"/.exec(text)?.[1] ?? '')
}

async function product(): Promise<Server> {
  const orrery = await startOrrery({ directory: temporaryDirectory(), env: { LOG_LEVEL: 'warn' } })
  const job = await createJob(orrery.url, {
    name: 'changing',
    schedule: { interval: { every: 'PT24H' } },
    target: { handler: { handler: 'noop' } },
  })
  return {
    pid: orrery.pid,
    port: Number(new URL(orrery.origin).port),
    query: WATCH,
    async change() {
      await triggerJob(orrery.url, job.id)
      return null
    },
    stop: () => orrery.kill('SIGTERM'),
  }
}

async function peer(kind: string): Promise<Server> {
  const child = fork(join(import.meta.dirname, 'fanPeers.ts'), [kind])
  const { port } = await messageOf<PeerReady>(child, 'ready')
  return {
    pid: child.pid!,
    port,
    query: kind === 'ws' ? null : PEER_QUERY,
    async change() {
      const published = messageOf<PeerPublished>(child, 'published')
      child.send({})
      return (await published).at
    },
    async stop() {
      child.disconnect()
    },
  }
}

/** The next message of this kind. */
function messageOf<Message extends { readonly kind: string }>(child: ChildProcess, kind: Message['kind']): Promise<Message> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error(`a process ended instead of telling "${kind}"`))
    const heard = (message: unknown): void => {
      if ((message as Message).kind !== kind) return
      child.off('message', heard).off('exit', ended)
      resolve(message as Message)
    }
    child.on('message', heard).once('exit', ended)
  })
}

if (values.help) console.log(HELP)
else await main(Number(values.repetitions), values.subscribers.split(',').map(Number), values.servers.split(','), Number(values.changes))
