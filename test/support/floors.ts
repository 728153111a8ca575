// Holds the house in order: which part may import which, and a few rules that no linter knows. `node test/support/floors.ts [folder]`
// prints every violation as file:line and ends with code 1 where there is one.
import { globSync, readFileSync } from 'node:fs'
import { join, posix, resolve, sep } from 'node:path'
import { importsOf, type SourceImport, type Token, tokenize } from './sourceTokens.ts'

export interface Violation {
  /** Relative to the project's root, with forward slashes. */
  readonly file: string
  readonly line: number
  readonly rule: string
}

/** From the ground up. A part imports from lower floors only; parts on one floor do not know each other. */
const FLOORS = [
  ['domain'],
  ['ground'],
  ['engine'],
  ['scheduler', 'worker'],
  ['commands'],
  ['stream'],
  ['api'],
  ['server'],
  ['main'],
] as const

/** Files directly in src/ that put the parts together or are commands of their own; all other files there are ground for every part but domain. */
const MAIN_FILES = new Set(['main', 'orrery', 'assembly', 'signingSecret'].map((name) => `src/${name}.ts`))

/** All of the engine that the rest of the product may know. */
const ENGINE_PORTS = new Set(
  ['engine.ts', 'errors.ts', 'store/store.ts', 'queue/queue.ts', 'bus/bus.ts'].map((file) => `src/engine/${file}`),
)

const DOMAIN_PACKAGES = new Set(['cron-parser', 'cronstrue'])
const MAX_LINES = 350
const VAGUE_NAME = /(^|[/._-])(utils?|commons?|helpers?)([/._-]|$)|(Utils?|Commons?|Helpers?)[/.]/
/** Where a tool forces a default export: its own configuration, and handler modules, which are found by it. */
const DEFAULT_EXPORTS = /^prisma\.config\.ts$|^examples\/|^test\/(.*\/)?fixtures\//

interface SourceFile {
  readonly path: string
  readonly tokens: readonly Token[]
  readonly imports: readonly ResolvedImport[]
  readonly lines: number
}

interface ResolvedImport extends SourceImport {
  /** The file of this project that it names, or null for a package. */
  readonly target: string | null
}

/** Reads the project under `root` and answers all violations, by file and line. */
export function lintFloors(root: string): Violation[] {
  const files = readProject(root)
  const violations = [...files.flatMap((file) => RULES.flatMap((rule) => rule(file))), ...cycles(files)]
  return violations.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line))
}

function readProject(root: string): SourceFile[] {
  const paths = globSync(
    ['src/**/*.{ts,tsx}', 'test/**/*.ts', 'bench/**/*.ts', 'prisma/*.ts', 'examples/**/*.ts', 'deploy/**/*.ts', '*.ts'],
    { cwd: root },
  )
    .map((path) => path.split(sep).join('/'))
    .filter((path) => !path.startsWith('src/generated/') && !path.includes('node_modules/'))
  return [...new Set(paths)].sort().map((path) => {
    const source = readFileSync(join(root, path), 'utf8')
    const tokens = tokenize(source)
    const imports = importsOf(tokens).map((each) => ({ ...each, target: resolveImport(path, each.specifier) }))
    return { path, tokens, imports, lines: source.split('\n').length - (source.endsWith('\n') ? 1 : 0) }
  })
}

function resolveImport(from: string, specifier: string): string | null {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : null
}

// ---------------------------------------------------------------- rules

type Rule = (file: SourceFile) => Violation[]

const RULES: readonly Rule[] = [
  knownPlace,
  importsGoDown,
  planningOnly,
  enginePorts,
  generatedTypes,
  environment,
  domainImports,
  domainPurity,
  length,
  name,
  defaultExports,
]

function partOf(path: string): string | null {
  if (!path.startsWith('src/')) return null
  const [, first, ...rest] = path.split('/')
  if (rest.length > 0) return first!
  return MAIN_FILES.has(path) ? 'main' : 'ground'
}

function floorOf(part: string): number {
  return FLOORS.findIndex((parts) => (parts as readonly string[]).includes(part))
}

function knownPlace({ path }: SourceFile): Violation[] {
  const part = partOf(path)
  return part === null || floorOf(part) !== -1
    ? []
    : [{ file: path, line: 1, rule: `no floor is known for src/${part}/: name it in test/support/floors.ts` }]
}

function importsGoDown(file: SourceFile): Violation[] {
  const part = partOf(file.path)
  if (part === null) return []
  return violationsOf(file, ({ target }) => {
    const other = target === null ? null : target.startsWith('src/') ? partOf(target) : 'outside'
    if (other === null || other === part || other === 'generated') return null
    if (other === 'outside') return target === 'package.json' ? null : `the product imports nothing from outside src/: ${target}`
    if (floorOf(other) === floorOf(part)) return `${part} and ${other} stand on one floor and never import each other`
    return floorOf(other) < floorOf(part) ? null : `imports go down only: ${part} is below ${other}`
  })
}

function planningOnly(file: SourceFile): Violation[] {
  if (partOf(file.path) !== 'commands') return []
  return violationsOf(file, ({ target }) =>
    target?.startsWith('src/scheduler/') && !/^src\/scheduler\/plan[^/]*\.ts$/.test(target)
      ? 'of the scheduler, commands may import planning alone (scheduler/plan*)'
      : null,
  )
}

function enginePorts(file: SourceFile): Violation[] {
  const part = partOf(file.path)
  if (part === null || part === 'engine') return []
  return violationsOf(file, ({ target }) =>
    target?.startsWith('src/engine/') && !ENGINE_PORTS.has(target)
      ? `outside engine/ only its ports may be imported (${[...ENGINE_PORTS].map((port) => port.slice(4)).join(', ')})`
      : null,
  )
}

function generatedTypes(file: SourceFile): Violation[] {
  const part = partOf(file.path)
  if (part === null || part === 'engine') return []
  return violationsOf(file, ({ target, typeOnly }) => {
    if (!target?.startsWith('src/generated/') || typeOnly) return null
    // Pothos reads the data model when the schema is built.
    return part === 'api' && target === 'src/generated/pothos.ts'
      ? null
      : 'outside engine/ the generated client gives types alone: import type'
  })
}

function environment(file: SourceFile): Violation[] {
  if (partOf(file.path) === null || file.path === 'src/config.ts') return []
  const rule = 'only src/config.ts reads the environment'
  const imported = violationsOf(file, ({ specifier, names }) =>
    /^(node:)?process$/.test(specifier) && names.includes('env') ? rule : null,
  )
  const read = sequences(file, ['process', '.', 'env'], ['process', '[', 'env', ']'], ['process', '?', '.', 'env'])
  const taken = file.tokens.filter(
    (token, i) => token.text === 'process' && file.tokens[i - 1]?.text === '=' && takesEnv(file.tokens, i - 2),
  )
  return [...imported, ...[...read, ...taken].map((token) => ({ file: file.path, line: token.line, rule }))]
}

/** `const { env } = process`, read backwards from the closing brace. */
function takesEnv(tokens: readonly Token[], end: number): boolean {
  if (tokens[end]?.text !== '}') return false
  for (let i = end - 1; i >= 0 && tokens[i]!.text !== '{'; i--) if (tokens[i]!.text === 'env') return true
  return false
}

function domainImports(file: SourceFile): Violation[] {
  if (partOf(file.path) !== 'domain') return []
  return violationsOf(file, ({ specifier, target }) =>
    target === null && !DOMAIN_PACKAGES.has(specifier)
      ? `domain is pure: it imports nothing but domain, ${[...DOMAIN_PACKAGES].join(' and ')}`
      : null,
  )
}

function domainPurity(file: SourceFile): Violation[] {
  if (partOf(file.path) !== 'domain') return []
  const impure: [string, Token[]][] = [
    ['Date.now()', sequences(file, ['Date', '.', 'now'])],
    [
      'new Date()',
      [
        ...sequences(file, ['new', 'Date', '(', ')']),
        ...file.tokens.filter(
          (token, i) => token.text === 'new' && file.tokens[i + 1]?.text === 'Date' && file.tokens[i + 2]?.text !== '(',
        ),
      ],
    ],
    ['Date()', sequences(file, ['Date', '(']).filter((token) => before(file, token) !== 'new')],
    ['Math.random()', sequences(file, ['Math', '.', 'random'])],
    ['performance', sequences(file, ['performance', '.'])],
    ['crypto', sequences(file, ['crypto', '.'])],
    ['process', sequences(file, ['process', '.'])],
    ['a timer', ['setTimeout', 'setInterval', 'setImmediate'].flatMap((timer) => sequences(file, [timer, '(']))],
    ['fetch()', sequences(file, ['fetch', '('])],
  ]
  return impure.flatMap(([what, tokens]) =>
    tokens.map(({ line }) => ({ file: file.path, line, rule: `domain is pure: time and chance are arguments, not ${what}` })),
  )
}

function length({ path, lines }: SourceFile): Violation[] {
  return lines > MAX_LINES
    ? [{ file: path, line: MAX_LINES + 1, rule: `${lines} lines: a file has at most ${MAX_LINES}; is it one thing?` }]
    : []
}

function name({ path }: SourceFile): Violation[] {
  return VAGUE_NAME.test(path) ? [{ file: path, line: 1, rule: 'no utils, common or helpers: name a file by what is in it' }] : []
}

function defaultExports(file: SourceFile): Violation[] {
  if (DEFAULT_EXPORTS.test(file.path)) return []
  const direct = sequences(file, ['export', 'default'])
  const renamed = sequences(file, ['as', 'default']).filter((token) => {
    const open = file.tokens.slice(0, file.tokens.indexOf(token)).findLastIndex(({ text }) => text === '{')
    return file.tokens[open - 1]?.text === 'export'
  })
  return [...direct, ...renamed].map(({ line }) => ({ file: file.path, line, rule: 'no default exports: a thing has one name everywhere' }))
}

/**
 * Circles of imports that are there when the program runs; a type may point back to the port that its file serves. Each circle is told once.
 */
function cycles(files: readonly SourceFile[]): Violation[] {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const done = new Set<string>()
  const found: Violation[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    for (const { target, line, typeOnly } of byPath.get(path)?.imports ?? []) {
      if (typeOnly || target === null || !byPath.has(target) || done.has(target)) continue
      const begin = trail.indexOf(target)
      if (begin === -1) visit(target, [...trail, target])
      else found.push({ file: path, line, rule: `imports go in a circle: ${[...trail.slice(begin), target].join(' → ')}` })
    }
    done.add(path)
  }
  for (const { path } of files) if (!done.has(path)) visit(path, [path])
  return found
}

// ---------------------------------------------------------------- looking at a file

function violationsOf(file: SourceFile, judge: (each: ResolvedImport) => string | null): Violation[] {
  return file.imports.flatMap((each) => {
    const rule = judge(each)
    return rule === null ? [] : [{ file: file.path, line: each.line, rule }]
  })
}

/** First tokens of every place where one of these sequences stands and is no member of something else (`clock.performance.now`). */
function sequences({ tokens }: SourceFile, ...wanted: readonly (readonly string[])[]): Token[] {
  return tokens.filter(
    (token, i) =>
      token.kind === 'word' &&
      tokens[i - 1]?.text !== '.' &&
      wanted.some((texts) => texts.every((text, offset) => tokens[i + offset]?.text === text)),
  )
}

function before({ tokens }: SourceFile, token: Token): string | undefined {
  return tokens[tokens.indexOf(token) - 1]?.text
}

if (process.argv[1] === import.meta.filename) {
  const violations = lintFloors(resolve(process.argv[2] ?? join(import.meta.dirname, '../..')))
  for (const { file, line, rule } of violations) console.log(`${file}:${line}  ${rule}`)
  if (violations.length > 0) {
    console.log(`\n${violations.length} ${violations.length === 1 ? 'violation' : 'violations'} of the floors`)
    process.exitCode = 1
  }
}
