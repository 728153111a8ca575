import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { before, describe, test } from 'node:test'
import { temporaryDirectory } from './temporary.ts'

// The runner, run on a tree of its own with files that go wrong in every way.

const FILES: Record<string, string> = {
  'test/good.test.ts': `import { describe, it, test } from 'node:test'
    describe('suite', () => { it('one', () => {}); it('two', () => {}); it.skip('three', () => {}) })
    test('parent', async (t) => { await t.test('child', () => {}) })`,
  'test/bad.test.ts': `import { describe, it } from 'node:test'
    describe('suite', () => { it('fine', () => {}); it('broken', () => { throw new Error('the reason') }) })`,
  'test/crash.test.ts': 'process.exit(3)',
  'test/late.test.ts': `import { test } from 'node:test'
    test('ends too soon', () => { setTimeout(() => { throw new Error('afterwards') }, 20) })`,
  'test/empty.test.ts': `console.log('I test nothing')`,
  'test/hang.test.ts': `import { test } from 'node:test'
    test('never ends', async () => { setInterval(() => {}, 1000); await new Promise(() => {}) })`,
  'test/deaf.test.ts': `import { test } from 'node:test'
    process.on('SIGTERM', () => {})
    test('spins', () => { for (;;) {} })`,
  'test/system/orphan.test.ts': `import { spawn } from 'node:child_process'
    import { test } from 'node:test'
    test('leaves a child', () => { spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { stdio: 'ignore', detached: true }).unref() })`,
}

describe('the test runner', { concurrency: 3 }, () => {
  let root: string
  before(() => {
    root = temporaryDirectory()
    const here = import.meta.dirname
    mkdirSync(join(root, 'test/support'), { recursive: true })
    cpSync(join(here, '../run.ts'), join(root, 'test/run.ts'))
    for (const file of ['testFile.ts', 'leftovers.ts', 'postgresOfRun.ts']) cpSync(join(here, file), join(root, 'test/support', file))
    writeFileSync(join(root, 'package.json'), '{"type":"module"}')
    for (const [path, text] of Object.entries(FILES)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
  })

  /** Without the outer runner's own variables, which would make the inner one report in its binary protocol. */
  function npmTest(...args: string[]): Promise<{ code: number; output: string; last: string }> {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_(TEST|OPTIONS)|TEST_FILE_MARK)/.test(name)))
    return new Promise((resolve) => {
      const child = execFile(process.execPath, [join(root, 'test/run.ts'), ...args], { env, cwd: root }, (_, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, output: stdout + stderr, last: stdout.trimEnd().split('\n').at(-1) ?? '' })
      })
    })
  }

  test('counts leaves and ends with one line', async () => {
    assert.partialDeepStrictEqual(await npmTest('good'), { code: 0, last: '3 passed, 0 failed' })
  })

  test('a failing test fails the run and is told with its suite and reason', async () => {
    const { code, output, last } = await npmTest('bad', 'good')
    assert.equal(code, 1)
    assert.equal(last, '4 passed, 1 failed')
    assert.match(output, /suite › broken[\s\S]*the reason/)
  })

  test('a file that crashes fails the run', async () => {
    const { code, output, last } = await npmTest('crash')
    assert.equal(code, 1)
    assert.equal(last, '0 passed, 1 failed')
    assert.match(output, /ended with code 3/)
  })

  test('what is thrown after its test has ended fails the run', async () => {
    const { code, output, last } = await npmTest('late')
    assert.equal(code, 1)
    assert.equal(last, '1 passed, 1 failed')
    assert.match(output, /afterwards/)
  })

  test('a file without a test fails the run', async () => {
    assert.partialDeepStrictEqual(await npmTest('empty'), { code: 1, last: '0 passed, 1 failed' })
  })

  test('no test at all fails the run', async () => {
    assert.partialDeepStrictEqual(await npmTest('no-such-file'), { code: 1, last: '0 passed, 0 failed' })
    assert.partialDeepStrictEqual(await npmTest('good', '-t', 'no such name'), { code: 1, last: '0 passed, 0 failed' })
  })

  test('a file that does not end is ended, and the test under way is named', async () => {
    const { code, output, last } = await npmTest('hang', '--timeout', '5')
    assert.equal(code, 1)
    assert.equal(last, '0 passed, 1 failed')
    assert.match(output, /did not end within 5 s; under way: never ends/)
  })

  test('a file that does not listen to signals is killed', {
    skip: process.platform !== 'linux' && 'finds processes in /proc',
  }, async () => {
    assert.partialDeepStrictEqual(await npmTest('deaf', '--timeout', '1'), { code: 1, last: '0 passed, 1 failed' })
  })

  test('a process left behind fails the run and is killed', {
    skip: process.platform !== 'linux' && 'finds processes in /proc',
  }, async () => {
    const { code, output, last } = await npmTest('orphan')
    assert.equal(code, 1)
    assert.equal(last, '1 passed, 1 failed')
    const pid = Number(/left a process running, now killed: (\d+)/.exec(output)?.[1])
    // Where nobody waits for orphans a killed one stays as a name without a command line.
    const cmdline = `/proc/${pid}/cmdline`
    assert.equal(existsSync(cmdline) ? readFileSync(cmdline, 'utf8') : '', '')
  })

  test('files and names can be chosen', async () => {
    assert.partialDeepStrictEqual(await npmTest('test/good.test.ts', '--name', '^one$'), { code: 0, last: '1 passed, 0 failed' })
    assert.equal(
      (await npmTest('--list', 'a')).output.trim(),
      ['bad', 'crash', 'deaf', 'hang', 'late', 'system/orphan'].map((n) => `test/${n}.test.ts`).join('\n'),
    )
    assert.match((await npmTest('--help')).output, /N passed, N failed/)
    assert.equal((await npmTest('--bogus')).code, 2)
  })
})
