// Runs the tests: `npm test -- --help` tells how. Every file runs in a process of its own; the last line is `N passed, N failed`.
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, sep } from 'node:path'
import { parseArgs, stripVTControlCharacters, styleText } from 'node:util'
import { offerServerOfRun } from './support/postgresOfRun.ts'
import { type FileResult, runFile } from './support/testFile.ts'

const HELP = `Runs the tests.

  npm test                              all of them
  npm test -- test/domain cron          files whose path contains one of these words
  npm test -- -t 'clock change'         tests whose name matches a regular expression

  -t, --name REGEXP       only tests with such a name
  -j, --jobs N            files at once (default: one more than processors, as tests wait a lot, and 4 at most); those that load
                          the machine or measure how late something is run when the others are done
      --timeout SECONDS   a file that takes longer has failed (default: 180)
      --list              only print the files
  -h, --help

Tests on Postgres share an embedded server, or use that of TEST_DATABASE_URL, by a role that may create databases.

Ends with the line "N passed, N failed". The exit code is 0 when nothing failed and at least one test ran.`

const root = join(import.meta.dirname, '..')

/**
 * Where Node keeps what it has compiled. Every file, and every process of the product that one starts, loads the same modules: a process
 * that need not compile them begins in half the time. An entry holds for the very text of its module, so a change is never overlooked.
 */
const COMPILED = join(root, 'node_modules/.cache/compiled')
const interactive = process.stdout.isTTY === true && process.env.CI === undefined

interface Options {
  readonly words: readonly string[]
  readonly name: RegExp | null
  readonly jobs: number
  readonly timeout: number
  readonly list: boolean
}

function readOptions(): Options | 'help' {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      name: { type: 'string', short: 't' },
      jobs: { type: 'string', short: 'j' },
      timeout: { type: 'string' },
      list: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return 'help'
  const positive = (text: string | undefined, standard: number, option: string): number => {
    const value = text === undefined ? standard : Number(text)
    if (!(value > 0)) throw new Error(`${option} takes a number above 0, not "${text}"`)
    return value
  }
  return {
    words: positionals,
    name: values.name === undefined ? null : new RegExp(values.name),
    jobs: Math.ceil(positive(values.jobs, Math.min(4, availableParallelism() + 1), '--jobs')),
    timeout: 1000 * positive(values.timeout, 180, '--timeout'),
    list: values.list ?? false,
  }
}

function findFiles(words: readonly string[]): string[] {
  const files = globSync('test/**/*.test.ts', { cwd: root }).map((file) => file.split(sep).join('/'))
  const asked = words.map((word) => (word.startsWith('/') ? relative(root, word) : word.replace(/^\.\//, '')))
  return files.filter((file) => asked.length === 0 || asked.some((word) => file.includes(word))).sort()
}

/** These begin first, so that none of them is under way alone when the others are done. What they do with their time differs, too. */
const LONG = [
  /^test\/engine\/(postgres|postgresAway|sqlite|postgresTogether|postgresRings|postgresShares|graphileQueue)\.test\.ts$/,
  /^test\/system\//,
  /^test\/worker\/handlersMisbehaving\.test\.ts$/,
  /^test\/postgres\//,
  /^test\/(clients|domain\/cronOracle)/,
]
/** Load without end, beside which others would be late. They promise what holds at any speed, so two of them may share the machine. */
const LOADS = /^test\/system\/(clusterChaos|crash|cuts)\.test\.ts$/
/** They promise how late something is at most (chaos: how soon a handler that never yields is ended), and would be late beside others. */
const PROMISES = /^test\/system\/(chaos|firing|unyielding)\.test\.ts$/

/** Which files run side by side, one group after the other. */
function groupsOf(files: readonly string[], jobs: number): readonly { readonly files: readonly string[]; readonly lanes: number }[] {
  const rank = (file: string): number => {
    const found = LONG.findIndex((long) => long.test(file))
    return found === -1 ? LONG.length : found
  }
  return [
    { files: files.filter((file) => !LOADS.test(file) && !PROMISES.test(file)).sort((a, b) => rank(a) - rank(b)), lanes: jobs },
    { files: files.filter((file) => LOADS.test(file)), lanes: Math.min(2, jobs) },
    { files: files.filter((file) => PROMISES.test(file)), lanes: 1 },
  ]
}

/** Runs all files, and tells of each as it ends. */
async function runAll(files: readonly string[], options: Options, signal: AbortSignal, tell: Teller): Promise<FileResult[]> {
  const results: FileResult[] = []
  const lane = async (queue: string[]): Promise<void> => {
    for (let file = queue.shift(); file !== undefined && !signal.aborted; file = queue.shift()) {
      tell.begins(file)
      const result = await runFile({ path: join(root, file), timeout: options.timeout, name: options.name, signal })
      tell.ends(file, result)
      results.push(result)
    }
  }
  for (const group of groupsOf(files, options.jobs)) {
    const queue = [...group.files]
    await Promise.all(Array.from({ length: group.lanes }, () => lane(queue)))
  }
  return results
}

interface Teller {
  begins(file: string): void
  ends(file: string, result: FileResult): void
}

/** One line a file; what failed follows it at once. On a terminal a last, moving line names the files under way. */
function teller(total: number, quietAboutEmpty: boolean): Teller {
  const running = new Set<string>()
  let done = 0
  const status = (): void => {
    if (!interactive || running.size === 0) return
    const line = `[${done}/${total}] ${[...running].join(', ')}`
    process.stdout.write(`${styleText('dim', line.slice(0, (process.stdout.columns ?? 80) - 1))}\r`)
  }
  const print = (text: string): void => {
    process.stdout.write(`${interactive ? '\x1b[2K' : ''}${text}\n`)
  }
  return {
    begins(file) {
      running.add(file)
      status()
    },
    ends(file, result) {
      running.delete(file)
      done += 1
      const { passed, skipped, failures } = result
      if (!(quietAboutEmpty && passed + skipped + failures.length === 0)) {
        const counts = [
          `${passed} passed`,
          ...(failures.length > 0 ? [`${failures.length} failed`] : []),
          ...(skipped > 0 ? [`${skipped} skipped`] : []),
        ]
        const mark = failures.length === 0 ? styleText('green', 'ok  ') : styleText('red', 'FAIL')
        print(`${mark} ${file}  ${styleText('dim', `${counts.join(', ')}, ${(result.milliseconds / 1000).toFixed(1)} s`)}`)
      }
      for (const { name, detail } of failures) print(`     ${styleText('red', name)}\n${indent(detail)}`)
      if (failures.length > 0 && result.output.trim() !== '')
        print(`     ${styleText('dim', 'the end of what it wrote:')}\n${indent(stripVTControlCharacters(result.output.trim()))}`)
      status()
    },
  }
}

function indent(text: string): string {
  return text.replace(/^/gm, '       ')
}

async function main(): Promise<number> {
  const options = readOptions()
  if (options === 'help') {
    console.log(HELP)
    return 0
  }
  const files = findFiles(options.words)
  if (options.list) {
    console.log(files.join('\n'))
    return 0
  }
  process.env.NODE_COMPILE_CACHE ??= COMPILED
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  process.once('SIGTERM', () => stop.abort())
  // Loaded with the first file that asks: most choices of files do without.
  const endPostgres = await offerServerOfRun(async () => (await import('./support/postgresServer.ts')).startServerOfRun())
  const results = await runAll(files, options, stop.signal, teller(files.length, options.name !== null)).finally(endPostgres)

  const sum = (of: (result: FileResult) => number): number => results.reduce((total, result) => total + of(result), 0)
  const passed = sum((result) => result.passed)
  const failed = sum((result) => result.failures.length)
  const skipped = sum((result) => result.skipped)
  console.log('')
  if (skipped > 0) console.log(`${skipped} skipped`)
  if (passed + failed === 0)
    console.log(`no test ran${options.words.length > 0 || options.name !== null ? ': nothing matches what was asked for' : ''}`)
  if (stop.signal.aborted) console.log('interrupted')
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 && passed > 0 && !stop.signal.aborted ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
