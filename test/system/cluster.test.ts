import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, readFileSync, statSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { freePort } from '../../deploy/cluster/ports.ts'
import { descendants, isRunning } from '../../deploy/cluster/processes.ts'
import { atExit } from '../support/atExit.ts'
import { request } from '../support/graphqlClient.ts'
import { createJob, triggerJob } from '../support/jobs.ts'
import { createPostgresDatabase } from '../support/postgres.ts'
import { inherited } from '../support/process.ts'
import { Recorder } from '../support/recorder.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const START = join(import.meta.dirname, '../../deploy/cluster/start.ts')
const LINUX_ONLY = process.platform !== 'linux' && 'finds processes in /proc'
const PATIENCE = 60_000

interface ClusterProcess {
  readonly child: ChildProcess
  /** Of standard output and standard error. */
  readonly lines: Recorder<string>
  readonly exited: Promise<number | null>
}

function start(folder: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): ClusterProcess {
  const child = spawn(process.execPath, [START, '--port', '0', '--data', join(folder, 'cluster'), ...args], {
    cwd: folder,
    env: { ...inherited(), LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  atExit(() => child.kill('SIGKILL'))
  child.unref()
  const lines = new Recorder<string>()
  for (const stream of [child.stdout, child.stderr]) {
    ;(stream as Socket).unref()
    createInterface({ input: stream }).on('line', (line) => lines.add(line))
  }
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      lines.fail(new Error(`the cluster has ended with code ${code}:\n${lines.all.slice(-20).join('\n')}`))
      resolve(code)
    })
  })
  return { child, lines, exited }
}

/** The addresses of the api processes. */
async function ready({ lines }: ClusterProcess): Promise<string[]> {
  const line = await lines.first('the ready line', (text) => text.startsWith('orrery cluster ready on '), PATIENCE)
  return [...line.matchAll(/http:\S+/g)].map(([url]) => url)
}

/** The process that a member is now, or was last. */
function processOf({ lines }: ClusterProcess, member: string): number {
  const line = lines.all.findLast((text) => text.includes(`| ${member} is process `))
  return Number(/\d+$/.exec(line ?? '')?.[0])
}

/** A folder which the user can reach who runs Postgres for root. */
function reachableFolder(): string {
  const folder = temporaryDirectory()
  chmodSync(folder, 0o755)
  return folder
}

async function ended(cluster: ClusterProcess): Promise<number | null> {
  const late = new AbortController()
  const result = await Promise.race([cluster.exited, delay(PATIENCE, 'late', { signal: late.signal })])
  late.abort()
  assert.notEqual(result, 'late', 'the cluster ends')
  return result as number | null
}

async function runOf(url: string, id: string): Promise<{ status: string }> {
  return (await request<{ run: { status: string } }>(url, 'query ($id: ID!) { run(id: $id) { status } }', { id })).run
}

describe('npm run start:cluster', () => {
  const folder = reachableFolder()
  let cluster: ClusterProcess
  let urls: string[]
  let job: string
  before(async () => {
    cluster = start(folder)
    urls = await ready(cluster)
  })
  after(async () => {
    cluster.child.kill('SIGTERM')
    await ended(cluster)
  })

  test('starts processes of each role on one database', async () => {
    assert.equal(urls.length, 2)
    const { instances } = await request<{ instances: { roles: string[] }[] }>(urls[0]!, '{ instances { roles } }')
    assert.deepEqual(instances.map(({ roles }) => roles.join()).sort(), ['API', 'API', 'SCHEDULER', 'SCHEDULER', 'WORKER', 'WORKER'])
  })

  test('does by its workers what one api process was told, and tells it by the other', async () => {
    job = (await createJob(urls[0]!, { name: 'greet', schedule: { once: { at: '2099-01-01T00:00:00Z' } } })).id
    const id = await triggerJob(urls[0]!, job)
    while ((await runOf(urls[1]!, id)).status !== 'SUCCEEDED') await delay(20)
  })

  test('keeps the password where only the operator reads it, and tells it to nobody', async () => {
    if (process.platform !== 'win32') assert.equal(statSync(join(folder, 'cluster/password')).mode & 0o777, 0o600)
    const password = readFileSync(join(folder, 'cluster/password'), 'utf8')
    assert.ok(password.length > 20)
    assert.ok(!cluster.lines.all.some((line) => line.includes(password)))
  })

  test('starts a process again that dies, and says so', async () => {
    const pid = processOf(cluster, 'worker-2')
    process.kill(pid, 'SIGKILL')
    await cluster.lines.first('the word of its end', (line) => /worker-2 ended with SIGKILL; it is started again in 0.5 s/.test(line))
    await cluster.lines.first('the word of its return', (line) => line.includes('worker-2 is ready again'), PATIENCE)
    assert.notEqual(processOf(cluster, 'worker-2'), pid)
  })

  test('stops all on SIGTERM, the API first and the database last, and leaves nothing', { skip: LINUX_ONLY }, async () => {
    const processes = descendants(cluster.child.pid!)
    assert.ok(processes.length > 7)
    cluster.child.kill('SIGTERM')
    assert.equal(await ended(cluster), 0)
    const stops = cluster.lines.all.filter((line) => line.includes('"msg":"stopped"')).map((line) => line.slice(0, line.indexOf('-')))
    assert.deepEqual(stops, ['api', 'api', 'worker', 'worker', 'scheduler', 'scheduler'])
    for (const pid of processes) while (isRunning(pid)) await delay(20)
  })

  test('finds everything again at the next start, and leaves nothing when it is killed', { skip: LINUX_ONLY }, async () => {
    cluster = start(folder, ['--api', '1', '--schedulers', '1', '--workers', '1'])
    urls = await ready(cluster)
    assert.equal(urls.length, 1)
    const found = await request<{ job: { name: string } }>(urls[0]!, 'query ($id: ID!) { job(by: { id: $id }) { name } }', { id: job })
    assert.equal(found.job.name, 'greet')
    const processes = descendants(cluster.child.pid!)
    cluster.child.kill('SIGKILL')
    await ended(cluster)
    for (const pid of processes) while (isRunning(pid)) await delay(20)
  })
})

describe('npm run start:cluster with a database of its own', () => {
  test('uses that of DATABASE_URL', async () => {
    const { url, drop } = await createPostgresDatabase({ empty: true })
    const cluster = start(reachableFolder(), ['--api', '1', '--schedulers', '1', '--workers', '1'], { DATABASE_URL: url })
    await ready(cluster)
    const client = new pg.Client(url)
    await client.connect()
    const { rows } = await client.query('SELECT FROM "Instance"')
    await client.end()
    assert.equal(rows.length, 3)
    cluster.child.kill('SIGINT')
    assert.equal(await ended(cluster), 0)
    await drop()
  })

  test('ends where a process does not accept its configuration, and says which', async () => {
    const { url, drop } = await createPostgresDatabase({ empty: true })
    const cluster = start(reachableFolder(), [], { DATABASE_URL: url, ORRERY_HANDLERS: 'absent' })
    assert.equal(await ended(cluster), 1)
    assert.match(cluster.lines.all.join('\n'), /(worker|api)-\d ended with code 1 before it was ready/)
    await drop()
  })
})

describe('npm run start:cluster refuses', () => {
  const refusals: Record<string, [string[], Record<string, string>, RegExp]> = {
    'an SQLite file': [[], { DATABASE_URL: 'file:./orrery.db' }, /names an SQLite file, which one process has to itself/],
    'no workers': [['--workers', '0'], {}, /--workers: got "0"; accepted is a whole number from 1 to 100/],
    'an option it does not know': [['--threads', '2'], {}, /Unknown option '--threads'/],
    'a wrong setting': [[], { ORRERY_LEASE: 'soon' }, /ORRERY_LEASE: got "soon"/],
  }
  for (const [name, [args, env, message]] of Object.entries(refusals)) {
    test(name, async () => {
      const cluster = start(temporaryDirectory(), args, env)
      assert.equal(await ended(cluster), 1)
      assert.match(cluster.lines.all.join('\n'), message)
    })
  }

  test('ports that are taken, and says which it needs', async (t) => {
    const port = await freePort()
    const holder = createServer()
    t.after(() => holder.close())
    await new Promise<void>((resolve) => holder.listen(port + 1, '127.0.0.1', resolve))
    const cluster = start(temporaryDirectory(), ['--port', String(port)])
    assert.equal(await ended(cluster), 1)
    assert.match(cluster.lines.all.join('\n'), new RegExp(`Port ${port + 1} is taken; the processes need ${port} to ${port + 5}`))
  })

  test('nobody who asks for help', async () => {
    const cluster = start(temporaryDirectory(), ['--help'])
    assert.equal(await ended(cluster), 0)
    assert.match(cluster.lines.all.join('\n'), /--schedulers N/)
  })
})
