import { run } from 'node:test'
import { inspect } from 'node:util'
import { reap } from './leftovers.ts'

/** One thing that went wrong: a test, or the file as a whole. */
export interface Failure {
  readonly name: string
  readonly detail: string
}

export interface FileResult {
  readonly passed: number
  readonly skipped: number
  readonly failures: readonly Failure[]
  /** The end of what the file wrote. */
  readonly output: string
  readonly milliseconds: number
}

export interface FileOptions {
  /** Absolute. */
  readonly path: string
  /** After this many milliseconds the file is ended and has failed. */
  readonly timeout: number
  /** Only tests whose name matches. */
  readonly name: RegExp | null
  readonly signal: AbortSignal
}

/** Names the processes of one test file, so that none outlives it unseen. */
const MARK = 'TEST_FILE_MARK'
const KEPT_OUTPUT = 20_000
let marks = 0

/** Runs one test file in a process of its own. Counts leaf tests: a test that only holds subtests is not one. */
export async function runFile({ path, timeout, name, signal }: FileOptions): Promise<FileResult> {
  const mark = `${process.pid}-${++marks}`
  const begun = performance.now()
  const abort = new AbortController()
  const stop = (): void => abort.abort()
  signal.addEventListener('abort', stop, { once: true })
  // A process that does not listen to the first, polite signal is killed by its mark.
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    stop()
    void reap(MARK, mark)
  }, timeout)

  const seen = watch(path)
  const events = run({
    files: [path],
    isolation: 'process',
    signal: abort.signal,
    env: { ...process.env, [MARK]: mark },
    ...(name === null ? {} : { testNamePatterns: [name] }),
  })
  for await (const event of events) seen.take(event as TestEvent)
  clearTimeout(timer)
  signal.removeEventListener('abort', stop)

  const failures = seen.failures()
  if (timedOut) failures.push({ name: 'the file', detail: `did not end within ${timeout / 1000} s; ${seen.underWay()}` })
  else if (name === null && failures.length === 0 && seen.passed() + seen.skipped() === 0)
    failures.push({ name: 'the file', detail: 'holds no test' })
  for (const { pid, command } of await reap(MARK, mark)) {
    if (!timedOut) failures.push({ name: 'the file', detail: `left a process running, now killed: ${pid} ${command}` })
  }
  return { passed: seen.passed(), skipped: seen.skipped(), failures, output: seen.output(), milliseconds: performance.now() - begun }
}

/** What node:test tells, as far as it is looked at here. */
interface TestEvent {
  readonly type: string
  readonly data: {
    readonly name: string
    readonly nesting: number
    readonly skip?: string | boolean
    readonly todo?: string | boolean
    readonly message?: string
    readonly file?: string
    readonly line?: number
    readonly details?: { readonly type?: string; readonly error?: Error & { readonly failureType?: string } }
  }
}

function watch(path: string) {
  const names: string[] = []
  const children: number[] = []
  const running = new Set<string>()
  const failures: Failure[] = []
  let passed = 0
  let skipped = 0
  let output = ''
  const keep = (text: string): void => {
    output = (output + text).slice(-KEPT_OUTPUT)
  }

  /** Reports come children first: whatever has had children since the last report of its level is no leaf. */
  const isLeaf = (nesting: number, suite: boolean): boolean => {
    const held = children[nesting + 1] ?? 0
    children[nesting + 1] = 0
    children[nesting] = (children[nesting] ?? 0) + 1
    return held === 0 && !suite
  }

  const finished = ({ type, data }: TestEvent): void => {
    const wholeFile = data.name === path && data.nesting === 0
    const error = data.details?.error
    const title = wholeFile ? 'the file' : [...names.slice(0, data.nesting), data.name].join(' › ')
    const leaf = !wholeFile && isLeaf(data.nesting, data.details?.type === 'suite')
    if (type === 'test:fail' && !data.todo) {
      // A parent fails with its children; the file as a whole also when it was ended, which the caller tells better.
      if (error?.failureType === 'subtestsFailed' || (wholeFile && error?.failureType === 'testAborted')) return
      const where = data.line === undefined || wholeFile ? '' : `(line ${data.line})\n`
      failures.push({ name: title, detail: where + (wholeFile ? fileFailure(error) : explain(error)) })
    } else if (leaf) {
      if (data.skip || data.todo) skipped += 1
      else passed += 1
    }
  }

  return {
    take(event: TestEvent): void {
      const { type, data } = event
      if (type === 'test:start') names[data.nesting] = data.name
      else if (type === 'test:dequeue') running.add(data.name)
      else if (type === 'test:complete') running.delete(data.name)
      else if (type === 'test:pass' || type === 'test:fail') finished(event)
      else if (type === 'test:stdout' || type === 'test:stderr') keep(data.message ?? '')
      // What was thrown after its test had ended comes as a diagnostic of the file; the others are the runner's own sums.
      else if (type === 'test:diagnostic' && data.file !== undefined) keep(`${data.message ?? ''}\n`)
    },
    failures: () => [...failures],
    output: () => output,
    passed: () => passed,
    skipped: () => skipped,
    underWay: () => {
      const tests = [...running].filter((test) => test !== path)
      return tests.length === 0 ? 'no test was under way: something keeps its process alive' : `under way: ${tests.join(', ')}`
    },
  }
}

function fileFailure(error: Error | undefined): string {
  const code = (error as { exitCode?: number | null } | undefined)?.exitCode
  return code === undefined || code === null ? 'its process was ended' : `its process ended with code ${code}`
}

/** The error as thrown, without the frames of the test runner. */
function explain(error: Error | undefined): string {
  const cause = error?.cause ?? error
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause)
  const extra =
    cause instanceof Error && 'actual' in cause && !text.includes('+ actual')
      ? `\n${inspect({ actual: cause.actual, expected: (cause as { expected?: unknown }).expected })}`
      : ''
  return (
    text
      .split('\n')
      .filter((line) => !/^\s+at .*node:internal|^\s+at .*\(node:/.test(line))
      .join('\n') + extra
  )
}
