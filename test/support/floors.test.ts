import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { lintFloors } from './floors.ts'
import { importsOf, tokenize } from './sourceTokens.ts'
import { temporaryDirectory } from './temporary.ts'

/** A project of these files alone. */
function project(files: Record<string, string>): string {
  const root = temporaryDirectory()
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

/** What the lint says of a project, as `file:line rule`. */
function judge(files: Record<string, string>): string[] {
  return lintFloors(project(files)).map(({ file, line, rule }) => `${file}:${line} ${rule}`)
}

describe('the floors', () => {
  test('this project keeps them', () => {
    assert.deepEqual(lintFloors(join(import.meta.dirname, '../..')), [])
  })

  test('a house in order has nothing to report', () => {
    assert.deepEqual(
      judge({
        'src/domain/plan.ts': `import { CronExpressionParser } from 'cron-parser'\nimport { a } from './job.ts'\nexport const at = (now: number) => new Date(now)`,
        'src/domain/job.ts': 'export const a = 1',
        'src/config.ts': `import { a } from './domain/job.ts'\nexport const port = process.env.PORT`,
        'src/engine/engine.ts': `import { PrismaClient } from '../generated/sqlite/client.ts'\nimport './sqlite.ts'`,
        'src/engine/sqlite.ts': '',
        'src/engine/store/store.ts': '',
        'src/scheduler/plan.ts': `import type { Store } from '../engine/store/store.ts'`,
        'src/commands/create.ts': `import { plan } from '../scheduler/plan.ts'`,
        'src/api/builder.ts': `import { getDatamodel } from '../generated/pothos.ts'\nimport type { Job } from '../generated/sqlite/client.ts'`,
        'src/api/port.ts': `import { open } from './adapter.ts'\nexport interface Port { a: 1 }`,
        'src/api/adapter.ts': `import type { Port } from './port.ts'`,
        'src/main.ts': `import './server/http.ts'\nimport './engine/engine.ts'`,
        'src/server/http.ts': `import { port } from '../config.ts'`,
        'test/engine/store.test.ts': `import '../../src/engine/sqlite.ts'`,
        'prisma.config.ts': 'export default {}',
        'examples/handlers/hello.ts': 'export default async () => {}',
      }),
      [],
    )
  })

  const violations: [string, Record<string, string>, string][] = [
    [
      'imports that go up',
      { 'src/engine/x.ts': `\nimport { f } from '../api/y.ts'` },
      'src/engine/x.ts:2 imports go down only: engine is below api',
    ],
    [
      'types that go up',
      { 'src/domain/x.ts': `import type { F } from '../engine/store/store.ts'` },
      'src/domain/x.ts:1 imports go down only: domain is below engine',
    ],
    ['imports of main', { 'src/server/x.ts': `import '../main.ts'` }, 'src/server/x.ts:1 imports go down only: server is below main'],
    [
      'ground that knows more than domain',
      { 'src/periodic.ts': `import './engine/engine.ts'` },
      'src/periodic.ts:1 imports go down only: ground is below engine',
    ],
    [
      'a scheduler that knows the worker',
      { 'src/scheduler/x.ts': `export * from '../worker/y.ts'` },
      'src/scheduler/x.ts:1 scheduler and worker stand on one floor and never import each other',
    ],
    [
      'a worker that knows the scheduler',
      { 'src/worker/x.ts': `const y = await import('../scheduler/plan.ts')` },
      'src/worker/x.ts:1 worker and scheduler stand on one floor and never import each other',
    ],
    [
      'commands that drive the scheduler',
      { 'src/commands/x.ts': `import '../scheduler/scheduler.ts'` },
      'src/commands/x.ts:1 of the scheduler, commands may import planning alone (scheduler/plan*)',
    ],
    [
      'what lies behind the ports of the engine',
      { 'src/api/x.ts': `import type { T } from '../engine/store/sqlite/runs.ts'` },
      'src/api/x.ts:1 outside engine/ only its ports may be imported (engine/engine.ts, engine/errors.ts, engine/store/store.ts, engine/queue/queue.ts, engine/bus/bus.ts)',
    ],
    [
      'the generated client outside the engine',
      { 'src/api/x.ts': `import { PrismaClient } from '../generated/sqlite/client.ts'` },
      'src/api/x.ts:1 outside engine/ the generated client gives types alone: import type',
    ],
    ['a floor nobody knows', { 'src/misc/x.ts': '' }, 'src/misc/x.ts:1 no floor is known for src/misc/: name it in test/support/floors.ts'],
    [
      'the product leaning on its tests',
      { 'src/api/x.ts': `import '../../test/support/floors.ts'` },
      'src/api/x.ts:1 the product imports nothing from outside src/: test/support/floors.ts',
    ],
    ['process.env', { 'src/server/x.ts': '\n\nconst p = process.env.PORT' }, 'src/server/x.ts:3 only src/config.ts reads the environment'],
    [
      'env taken from process',
      { 'src/server/x.ts': 'const { pid, env } = process' },
      'src/server/x.ts:1 only src/config.ts reads the environment',
    ],
    [
      'env imported',
      { 'src/server/x.ts': `import { env as e } from 'node:process'` },
      'src/server/x.ts:1 only src/config.ts reads the environment',
    ],
    [
      'packages in the domain',
      { 'src/domain/x.ts': `import { randomUUID } from 'node:crypto'` },
      'src/domain/x.ts:1 domain is pure: it imports nothing but domain, cron-parser and cronstrue',
    ],
    [
      'Date.now in the domain',
      { 'src/domain/x.ts': 'const f = Date.now' },
      'src/domain/x.ts:1 domain is pure: time and chance are arguments, not Date.now()',
    ],
    [
      'new Date in the domain',
      { 'src/domain/x.ts': 'const f = [\n  new Date()]' },
      'src/domain/x.ts:2 domain is pure: time and chance are arguments, not new Date()',
    ],
    [
      'chance in the domain',
      { 'src/domain/x.ts': `const f = () => \`\${Math.random()}\`` },
      'src/domain/x.ts:1 domain is pure: time and chance are arguments, not Math.random()',
    ],
    [
      'performance in the domain',
      { 'src/domain/x.ts': 'const f = performance.now()' },
      'src/domain/x.ts:1 domain is pure: time and chance are arguments, not performance',
    ],
    [
      'a timer in the domain',
      { 'src/domain/x.ts': 'setTimeout(() => {}, 1)' },
      'src/domain/x.ts:1 domain is pure: time and chance are arguments, not a timer',
    ],
    [
      'a long file',
      { 'src/domain/x.ts': 'const a = 1\n'.repeat(351) },
      'src/domain/x.ts:351 351 lines: a file has at most 350; is it one thing?',
    ],
    [
      'vague names of files',
      { 'test/support/testHelpers.ts': '' },
      'test/support/testHelpers.ts:1 no utils, common or helpers: name a file by what is in it',
    ],
    [
      'vague names of folders',
      { 'src/api/common/x.ts': '' },
      'src/api/common/x.ts:1 no utils, common or helpers: name a file by what is in it',
    ],
    ['a default export', { 'src/api/x.ts': 'export default 1' }, 'src/api/x.ts:1 no default exports: a thing has one name everywhere'],
    [
      'a default export by another name',
      { 'src/api/x.ts': 'const a = 1\nexport { a as default }' },
      'src/api/x.ts:2 no default exports: a thing has one name everywhere',
    ],
    [
      'a circle',
      {
        'src/api/a.ts': `import { b } from './b.ts'`,
        'src/api/b.ts': `import { C } from './c.ts'`,
        'src/api/c.ts': `\nimport './a.ts'`,
      },
      'src/api/c.ts:2 imports go in a circle: src/api/a.ts → src/api/b.ts → src/api/c.ts → src/api/a.ts',
    ],
  ]
  for (const [what, files, expected] of violations) {
    test(`finds ${what}`, () => assert.deepEqual(judge(files), [expected]))
  }

  test('what stands in comments, strings, templates and regular expressions is no code', () => {
    const source = [
      `// import '../main.ts'`,
      `/* export default 1`,
      ` process.env */`,
      `const a = "import '../main.ts'" + 'it\\'s process.env'`,
      `const b = \`process.env \${a + \`export default \${a}\`} process.env\``,
      `const c = /export default "/.test(a) ? 4 / 2 / 1 : 0`,
      `const d = { import: 1, default: 2 }.default`,
      `interface E { import(path: 'x'): void }`,
    ].join('\n')
    assert.deepEqual(judge({ 'src/api/x.ts': source }), [])
  })

  test('lines are counted through comments and templates', () => {
    const source = `/*\n\n*/ const a = \`\n\${1}\n\`; export default a`
    assert.deepEqual(judge({ 'src/api/x.ts': source }), ['src/api/x.ts:5 no default exports: a thing has one name everywhere'])
  })

  test('the command prints file:line and the rule, and ends with 1', () => {
    const run = (root: string) => spawnSync(process.execPath, [join(import.meta.dirname, 'floors.ts'), root], { encoding: 'utf8' })
    const bad = run(project({ 'src/api/x.ts': 'export default 1' }))
    assert.equal(bad.status, 1)
    assert.match(bad.stdout, /^src\/api\/x\.ts:1 {2}no default exports/)
    assert.equal(run(project({ 'src/api/x.ts': '' })).status, 0)
  })
})

test('imports are found in every form', () => {
  const source = `
import a, { type B, c as d } from './1.ts'
import type { E } from './2.ts'
import { type F, type G } from './3.ts'
import * as h from "./4.ts"
import './5.ts'
export { i, type J } from './6.ts'
export * as k from './7.ts'
const l = await import('./8.ts')
const m = require('./9.ts')
const n = new Worker(new URL('./10.ts', import.meta.url)), data = new URL('../package.json', import.meta.url)
import type from './11.ts'
export const from = './no.ts'
export type O = typeof import('./12.ts')
import {
  p,
  // with a comment 'from'
  q,
} from './13.ts'
const from2 = { import: '14' }
`
  assert.deepEqual(
    importsOf(tokenize(source)).map(({ specifier, typeOnly, names, line }) => [
      Number(/\d+/.exec(specifier)?.[0]),
      typeOnly,
      names.join(' '),
      line,
    ]),
    [
      [1, false, 'a B c', 2],
      [2, true, 'E', 3],
      [3, true, 'F G', 4],
      [4, false, '', 5],
      [5, false, '', 6],
      [6, false, 'i J', 7],
      [7, false, '', 8],
      [8, false, '', 9],
      [9, false, '', 10],
      [10, false, '', 11],
      [11, false, 'type', 12],
      [12, false, '', 14],
      [13, false, 'p q', 19],
    ],
  )
})
