import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { atExit } from './atExit.ts'
import { Recorder } from './recorder.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const START_TIMEOUT = 60_000
const EXIT_TIMEOUT = 60_000
const READY = /^orrery ready on (http:\/\/[^\s/]+)(?:\/graphql| as \S+)$/m

export interface OrreryOptions {
  /** Holds the database, and is the working directory. */
  readonly directory: string
  /** Configuration beyond a temporary database and a free port. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A process of the product as its user starts it. */
export interface Orrery {
  readonly pid: number
  /** `http://127.0.0.1:12345` */
  readonly origin: string
  /** `http://127.0.0.1:12345/graphql` */
  readonly url: string
  /** From the start of the process to its ready line. */
  readonly startMilliseconds: number
  /** Log entries, one a line of standard error; lines that are no JSON come as `{ msg }`. */
  readonly logs: Recorder<Readonly<Record<string, unknown>>>
  readonly stdout: () => string
  /** Waits for the end. */
  exited(): Promise<Exit>
  /** Sends a signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<Exit>
  /** Resident memory in bytes and processor time in milliseconds, as the kernel has them (Linux). */
  usage(): { readonly rss: number; readonly cpu: number }
}

/** Starts the product and waits for its ready line. It does not outlive this process, and does not keep it alive. */
export async function startOrrery(options: OrreryOptions): Promise<Orrery> {
  const begun = performance.now()
  const { child, ready, exited, logs, stdout } = spawnOrrery(options)
  const ended = exited.then((exit) => Promise.reject(new Error(`Orrery ended instead of getting ready: ${describe(exit)}`)))
  const origin = await within(START_TIMEOUT, 'the ready line', Promise.race([ready, ended]))
  return { ...handleOf(child, { origin, logs, stdout, exited }), startMilliseconds: performance.now() - begun }
}

function handleOf(
  child: ChildProcess,
  { origin, logs, stdout, exited }: Pick<Orrery, 'origin' | 'logs' | 'stdout'> & { readonly exited: Promise<Exit> },
): Omit<Orrery, 'startMilliseconds'> {
  return {
    pid: child.pid!,
    origin,
    url: `${origin}/graphql`,
    logs,
    stdout,
    exited: () => within(EXIT_TIMEOUT, 'the end of the process', exited),
    kill(signal) {
      child.kill(signal)
      return within(EXIT_TIMEOUT, `the end of the process after ${signal}`, exited)
    },
    usage: () => usageOf(child.pid!),
  }
}

/** Starts the product where its database is away: resolves when it listens, which is before it is ready. */
export async function startWaiting(options: OrreryOptions): Promise<Omit<Orrery, 'startMilliseconds'> & { ready(): Promise<string> }> {
  const { child, ready, exited, logs, stdout } = spawnOrrery(options)
  const { url } = await logs.first('the listening', ({ msg }) => msg === 'listening', START_TIMEOUT)
  const origin = String(url)
  return { ...handleOf(child, { origin, logs, stdout, exited }), ready: () => within(START_TIMEOUT, 'the ready line', ready) }
}

/** Starts the product where it is expected to end by itself, and waits for that. */
export function runOrrery(options: OrreryOptions): Promise<Exit> {
  return within(START_TIMEOUT, 'the end of the process', spawnOrrery(options).exited)
}

function spawnOrrery({ directory, env = {} }: OrreryOptions) {
  const child = spawn(process.execPath, [MAIN], {
    cwd: directory,
    env: { ...inherited(), DATABASE_URL: `file:${join(directory, 'orrery.db')}`, PORT: '0', LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  endWithUs(child)
  const logs = new Recorder<Readonly<Record<string, unknown>>>()
  let stdout = ''
  let stderr = ''
  let rest = ''
  const ready = Promise.withResolvers<string>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    const origin = READY.exec(stdout)?.[1]
    if (origin !== undefined) ready.resolve(origin)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-200_000)
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) if (line !== '') logs.add(readLog(line))
  })
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      const exit = { code, signal, stdout, stderr }
      logs.fail(new Error(`the process has ended: ${describe(exit)}`))
      resolve(exit)
    })
  })
  return { child, logs, ready: ready.promise, exited, stdout: () => stdout }
}

/** The environment without what would configure the product or the tests. */
export function inherited(): NodeJS.ProcessEnv {
  const own = /^(ORRERY_|OTEL_|LOG_|NODE_TEST|NODE_OPTIONS$|DATABASE_URL$|HOST$|PORT$)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)))
}

const children = new Set<ChildProcess>()

function endWithUs(child: ChildProcess): void {
  if (children.size === 0) {
    atExit(() => {
      for (const each of children) each.kill('SIGKILL')
    })
  }
  children.add(child)
  // Only waiting keeps a test alive: one that fails half way must not leave its file hanging on a server that nobody stops.
  child.unref()
  for (const pipe of [child.stdout, child.stderr]) (pipe as Socket).unref()
}

async function within<T>(timeout: number, what: string, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`${what} did not come within ${timeout} ms`)), timeout)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

function readLog(line: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return { msg: line }
  }
}

function describe({ code, signal, stderr }: Exit): string {
  return `${signal === null ? `code ${code}` : `signal ${signal}`}\n${stderr.trim()}`
}

/** Resident memory in bytes and processor time in milliseconds of a process of ours, as the kernel has them (Linux). */
export function usageOf(pid: number): { rss: number; cpu: number } {
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  // Kernel ticks are hundredths of a second.
  return { rss, cpu: (Number(fields[11]) + Number(fields[12])) * 10 }
}
