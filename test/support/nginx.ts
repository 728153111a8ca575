import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { atExit } from './atExit.ts'
import { temporaryDirectory } from './temporary.ts'

const DEPLOY = join(import.meta.dirname, '../../deploy')
/** Where packages put it: often not on the PATH of users. */
const PLACES = [process.env.NGINX ?? 'nginx', '/usr/sbin/nginx', '/usr/local/sbin/nginx']

const program = PLACES.find((place) => spawnSync(place, ['-v']).error === undefined)

/** For `skip` of tests: NGINX comes with the system, not with npm. */
export const noNginx = program === undefined ? 'there is no nginx; install it, or name it by the variable NGINX' : false

export interface Nginx extends AsyncDisposable {
  /** `http://127.0.0.1:12345` */
  readonly url: string
  readonly port: number
  /** The lines of the access log so far. */
  accessLog(): readonly Readonly<Record<string, unknown>>[]
}

/**
 * Starts NGINX with deploy/nginx.conf in front of servers on these ports. Only what belongs to a place is changed: the port, the folder for
 * temporary files, the logs. One process and one worker, so that what it remembers of servers is in one place.
 */
export async function startNginx(servers: readonly number[]): Promise<Nginx> {
  if (program === undefined) throw new Error('there is no nginx')
  const directory = temporaryDirectory()
  const port = await freePort()
  const file = join(directory, 'nginx.conf')
  cpSync(join(DEPLOY, 'nginx.conf'), file)
  const text = readFileSync(file, 'utf8')
    .replace('worker_processes auto', 'worker_processes 1')
    .replaceAll('listen 8080', `listen 127.0.0.1:${port}`)
    .replaceAll('/tmp/', `${directory}/`)
    .replace('/dev/stdout', join(directory, 'access.log'))
    .replace('/dev/stderr', 'stderr')
  writeFileSync(file, text)
  const lines = readFileSync(join(DEPLOY, 'apiServers.conf'), 'utf8').split('\n')
  const server = lines.find((line) => line.startsWith('server '))!
  writeFileSync(join(directory, 'apiServers.conf'), servers.map((each) => server.replace(/\S+:4000/, `127.0.0.1:${each}`)).join('\n'))

  const child = spawn(program, ['-p', directory, '-c', file, '-e', 'stderr', '-g', 'daemon off; master_process off;'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  atExit(() => child.kill('SIGKILL'))
  await listening(child, port)
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    accessLog: () =>
      readFileSync(join(directory, 'access.log'), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line)),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGTERM')
      await closed
    },
  }
}

/** NGINX says nothing when it is ready: it is asked until it answers, or ends. */
async function listening(child: ChildProcess, port: number): Promise<void> {
  let complaint = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  while (!(await isOpen(port))) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`nginx ended: ${complaint}`)
    await sleep(10)
  }
}

export function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** Below the range from which the system takes ports for outgoing connections. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
}
