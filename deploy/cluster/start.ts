// npm run start:cluster: `-- --help` tells how. The topology of compose.yaml on one machine, without containers.
import { join, resolve } from 'node:path'
import { parseArgs, styleText } from 'node:util'
import { type Config, environment, readConfig } from '../../src/config.ts'
import { type Cluster, startCluster } from './cluster.ts'

const HELP = `Starts Orrery as several processes on one machine, with a Postgres of its own.

  npm run start:cluster                           2 api, 2 scheduler and 2 worker processes
  npm run start:cluster -- --workers 4 --port 8000

      --api N          api processes, on ports from --port on (default: 2)
      --schedulers N   scheduler processes (default: 2)
      --workers N      worker processes (default: 2)
      --port PORT      of the first api process (default: PORT, else 4000); the others take the ports after it, the api processes first,
                       and serve /health/live, /health/ready and /metrics there; 0 takes free ones
      --data FOLDER    where the database is kept between starts (default: data/cluster)
  -h, --help

Postgres comes with the development packages (npm ci). Where DATABASE_URL names a Postgres database, that one is used. All other variables
(npm start -- --help) hold for every process. A process that ends is started again. Ctrl-C stops all, what was started last first; pressed
again it ends them at once, and the next start recovers what was under way.`

const COLORS = { api: ['cyan', 'cyanBright'], scheduler: ['magenta', 'magentaBright'], worker: ['green', 'greenBright'] } as const
const BACKOFF = { first: 500, most: 30_000, forgottenAfter: 60_000 }

interface Options {
  readonly counts: { readonly api: number; readonly scheduler: number; readonly worker: number }
  readonly port: number | null
  readonly folder: string
}

function readOptions(): Options | 'help' {
  const { values } = parseArgs({
    options: {
      api: { type: 'string', default: '2' },
      schedulers: { type: 'string', default: '2' },
      workers: { type: 'string', default: '2' },
      port: { type: 'string' },
      data: { type: 'string', default: join('data', 'cluster') },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return 'help'
  const number = (option: 'api' | 'schedulers' | 'workers' | 'port', most: number, least: number): number => {
    const text = values[option]!
    if (!/^\d{1,5}$/.test(text) || Number(text) > most || Number(text) < least)
      throw new Error(`--${option}: got ${JSON.stringify(text)}; accepted is a whole number from ${least} to ${most}`)
    return Number(text)
  }
  return {
    counts: { api: number('api', 100, 1), scheduler: number('schedulers', 100, 1), worker: number('workers', 100, 1) },
    port: values.port === undefined ? null : number('port', 65_000, 0),
    folder: resolve(values.data),
  }
}

/** Lines of many processes, each with the name of its own. */
function printer(names: readonly string[]) {
  const width = Math.max(...names.map((name) => name.length))
  return (name: string, line: string, stream: NodeJS.WriteStream = process.stderr): void => {
    const [role, number] = name.split('-') as [keyof typeof COLORS, string | undefined]
    const color = COLORS[role]?.[(Number(number) + 1) % 2] ?? 'yellow'
    stream.write(`${styleText(color, `${name.padEnd(width)} |`, { stream })} ${line}\n`)
  }
}

/** What is given to all processes: the embedded database has no URL yet, so another one stands for it while the rest is checked. */
function readEnvironment(): { config: Config; env: Readonly<Record<string, string | undefined>>; databaseUrl: string | null } {
  const env = environment()
  const given = env.DATABASE_URL?.trim() || null
  if (given?.startsWith('file:'))
    throw new Error('DATABASE_URL names an SQLite file, which one process has to itself. Unset it, or name a Postgres database.')
  const config = readConfig({ ...env, DATABASE_URL: given ?? 'postgres://127.0.0.1/orrery', ORRERY_ROLES: '' })
  return { config, env: { LOG_FORMAT: process.stderr.isTTY ? 'pretty' : 'json', ...env }, databaseUrl: given }
}

async function main(): Promise<number> {
  const options = readOptions()
  if (options === 'help') {
    console.log(HELP)
    return 0
  }
  const { config, env, databaseUrl } = readEnvironment()
  const { counts, folder, port } = options
  const print = printer(['cluster', 'scheduler-2'])
  const say = (text: string): void => print('cluster', text)

  const stop = new AbortController()
  let cluster: Cluster | null = null
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stop.signal.aborted) {
      say(`a second ${signal}: ending at once`)
      cluster?.kill()
      process.exit(1)
    }
    say(`${signal}: stopping`)
    stop.abort(new Error('stopped before all were ready'))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  process.on('SIGHUP', onSignal)

  say(databaseUrl === null ? `starting, with the database in ${folder}` : 'starting, with the database of DATABASE_URL')
  cluster = await startCluster(
    {
      counts,
      port: port ?? config.port,
      host: config.host,
      folder,
      databaseUrl,
      connections: config.databaseConnections,
      env,
      drainTimeout: config.drainTimeout,
      backoff: BACKOFF,
      write: print,
      say,
    },
    stop.signal,
  )
  const { api, scheduler, worker } = counts
  process.stdout.write(`orrery cluster ready on ${cluster.urls.join(' and ')} (${api} api, ${scheduler} scheduler, ${worker} worker)\n`)
  await new Promise<void>((resolve) => {
    if (stop.signal.aborted) resolve()
    stop.signal.addEventListener('abort', () => resolve())
  })
  await cluster.stop()
  say('stopped')
  return 0
}

try {
  process.exit(await main())
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
