import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import type { Outcome } from '../../src/domain/run.ts'
import { createCommandPerformer } from '../../src/worker/targets/command.ts'
import { createAllowedCommands } from '../../src/worker/targets/commandList.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { errorOf, outputOf, testAttempt } from './fixtures/attempt.ts'

const SHELL = realpathSync('/bin/sh')
const NODE = process.execPath
const performer = createCommandPerformer(createAllowedCommands([SHELL, NODE]))

function begin(executable: string, args: readonly string[], options: Parameters<typeof testAttempt>[1] = {}, by = performer) {
  const target = { kind: 'command', executable, args } as const
  const attempt = testAttempt(target, options)
  return { ...attempt, outcome: by.perform(target, attempt.context) }
}
/** The shell is a program like any other here. */
const shell = (script: string, ...rest: [Parameters<typeof testAttempt>[1]?]) => begin(SHELL, ['-c', script], ...rest)
const node = (script: string, ...rest: [Parameters<typeof testAttempt>[1]?]) => begin(NODE, ['-e', script], ...rest)

function script(source: string, mode = 0o755): string {
  const file = join(temporaryDirectory(), 'script')
  writeFileSync(file, source)
  chmodSync(file, mode)
  return file
}

/** Resolves when no process has this id any more, a zombie not counted. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      if (process.platform === 'linux' && /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return
      process.kill(pid, 0)
    } catch {
      return
    }
    await delay(5)
  }
}

describe('command targets', () => {
  it('get the payload on standard input, without a shell between', async () => {
    const attempt = begin(NODE, ['-e', 'process.stdin.pipe(process.stdout); process.stderr.write(process.argv[1])', '$HOME; *'], {
      payload: { a: ['ü', null] },
    })
    assert.deepEqual(outputOf(await attempt.outcome), { exitCode: 0, signal: null })
    assert.deepEqual(attempt.lines.map(({ level, message }) => [level, message]).sort(), [
      ['INFO', '{"a":["ü",null]}'],
      ['WARN', '$HOME; *'],
    ])
  })

  it('get nothing of the environment of the server but where programs are', async () => {
    process.env.ORRERY_TEST_SECRET = 'secret'
    const attempt = node('console.log(JSON.stringify(process.env))', { runId: 'run_env', number: 2 })
    await attempt.outcome
    delete process.env.ORRERY_TEST_SECRET
    const env = JSON.parse(attempt.lines[0]?.message ?? '{}')
    assert.deepEqual(Object.keys(env).sort(), [
      'HOME',
      'LANG',
      'ORRERY_ATTEMPT',
      'ORRERY_JOB',
      'ORRERY_RUN_ID',
      'ORRERY_SCHEDULED_FOR',
      'PATH',
    ])
    assert.deepEqual(
      [env.ORRERY_RUN_ID, env.ORRERY_ATTEMPT, env.ORRERY_SCHEDULED_FOR, env.ORRERY_JOB],
      ['run_env', '2', '2026-01-02T03:04:05.000Z', 'a job'],
    )
  })

  it('fail with their exit code or signal, and with what they said last on standard error', async () => {
    const outcome = await shell('echo one >&2; echo two >&2; exit 3').outcome
    const error = errorOf(outcome)
    assert.deepEqual([error.code, error.retryable], ['COMMAND_FAILED', true])
    assert.match(error.message, /exited with code 3: two$/)
    assert.deepEqual(outputOf(outcome), { exitCode: 3, signal: null })
    assert.match(errorOf(await shell('kill -9 $$').outcome).message, /ended by SIGKILL\.$/)
  })

  it('may leave a large payload unread', async () => {
    for (let i = 0; i < 3; i++)
      assert.equal((await shell('exec <&-; exit 0', { payload: 'x'.repeat(2_000_000) }).outcome).kind, 'SUCCEEDED')
  })

  it('have every line told, the unfinished last one too, long ones cut and bytes that are no text replaced', async () => {
    const long = node("process.stdout.write('x'.repeat(3e6) + '\\r\\nlast \\0')")
    assert.equal((await long.outcome).kind, 'SUCCEEDED')
    assert.equal(long.lines.length, 2)
    assert.equal(long.lines[0]?.message.length, 8193)
    assert.ok(long.lines[0]?.message.endsWith('x…'))
    assert.equal(long.lines[1]?.message, 'last \ufffd')

    const bytes = node(
      'process.stdout.write(Buffer.from([0x66, 0xff, 0xc3, 0x0a])); process.stdout.write(Buffer.from([0xe2])); setTimeout(() => process.stdout.write(Buffer.from([0x82, 0xac])), 50)',
    )
    await bytes.outcome
    assert.deepEqual(
      bytes.lines.map(({ message }) => message),
      ['f\ufffd\ufffd', '€'],
    )

    const many = node("for (let i = 0; i < 20000; i++) console.log('line ' + i)")
    await many.outcome
    assert.equal(many.lines.length, 20_000)
    assert.equal(many.lines.at(-1)?.message, 'line 19999')
  })

  it('that write for ever leave the server its turns, and end when they shall', async () => {
    const attempt = shell('while :; do echo y; done')
    await attempt.told('y')
    for (let i = 0; i < 20; i++) await turn()
    attempt.abort()
    assert.deepEqual(await attempt.outcome, { kind: 'CANCELLED' })
  })

  it('that are told to end get TERM, and may still succeed', async () => {
    const polite = node("process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000); console.log('ready')")
    await polite.told('ready')
    polite.abort('cancel')
    assert.deepEqual(outputOf(await polite.outcome), { exitCode: 0, signal: null })
    const plain = shell('echo ready; exec sleep 600')
    await plain.told('ready')
    plain.abort('cancel')
    assert.deepEqual(await plain.outcome, { kind: 'CANCELLED' })
  })

  // Side by side: they only wait for the seconds that a command has left.
  describe('of which something does not end', { concurrency: true }, () => {
    it('that ignore TERM are killed after 5 s, with the children that they started', async () => {
      const attempt = shell(
        `trap '' TERM; sh -c 'trap "" TERM; echo child $$; while :; do sleep 1; done' & echo parent $$; wait; while :; do sleep 1; done`,
      )
      const pids = await Promise.all(
        [/^parent (\d+)/, /^child (\d+)/].map(async (line) => Number(line.exec((await attempt.told(line)).message)?.[1])),
      )
      const abortedAt = performance.now()
      attempt.abort()
      assert.deepEqual(await attempt.outcome, { kind: 'CANCELLED' })
      const took = performance.now() - abortedAt
      assert.ok(took > 4_900 && took < 7_000, `${took} ms`)
      await Promise.all(pids.map(gone))
    })

    it('whose children ignore TERM have them killed, though they themselves end at once', async () => {
      const attempt = shell(`(trap '' TERM; echo child $(exec sh -c 'echo $PPID'); while :; do sleep 1; done) & wait`)
      const child = Number(/\d+/.exec((await attempt.told(/^child/)).message)?.[0])
      attempt.abort()
      assert.deepEqual(await attempt.outcome, { kind: 'CANCELLED' })
      await gone(child)
    })

    it('end when they end, though something that they left behind keeps their output open', async () => {
      const attempt = shell('sleep 60 & echo left $!; exit 0')
      const child = Number(/\d+/.exec((await attempt.told(/^left/)).message)?.[0])
      assert.equal((await attempt.outcome).kind, 'SUCCEEDED')
      process.kill(child)
    })
  })

  it('do not outlive a server that ends', async () => {
    const file = join(temporaryDirectory(), 'server.ts')
    const source = (path: string) => JSON.stringify(join(import.meta.dirname, path))
    writeFileSync(
      file,
      `import { createCommandPerformer } from ${source('../../src/worker/targets/command.ts')}
       import { createAllowedCommands } from ${source('../../src/worker/targets/commandList.ts')}
       import { testAttempt } from ${source('fixtures/attempt.ts')}
       const target = { kind: 'command', executable: ${JSON.stringify(SHELL)}, args: ['-c', 'echo pid $$; sleep 600'] } as const
       const attempt = testAttempt(target)
       void createCommandPerformer(createAllowedCommands([${JSON.stringify(SHELL)}])).perform(target, attempt.context)
       console.log((await attempt.told(/^pid/)).message)
       process.exit(0)`,
    )
    const server = spawn(NODE, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    server.stdout.on('data', (chunk) => {
      said += chunk
    })
    await once(server, 'close')
    await gone(Number(/\d+/.exec(said)?.[0]))
  })

  it('that were to end before they began do not begin', async () => {
    const target = { kind: 'command', executable: SHELL, args: ['-c', 'echo begun'] } as const
    const attempt = testAttempt(target)
    attempt.abort()
    assert.deepEqual(await performer.perform(target, attempt.context), { kind: 'CANCELLED' })
    assert.deepEqual(attempt.lines, [])
  })

  it('that cannot be started are FAILED for good', async () => {
    const folder = temporaryDirectory()
    const notExecutable = script('#!/bin/sh\n', 0o644)
    const noInterpreter = script('#!/no/such/interpreter\n')
    const by = createCommandPerformer(createAllowedCommands([join(folder, 'nothere'), notExecutable, noInterpreter, folder, NODE]))
    for (const [executable, args, code] of [
      [join(folder, 'nothere'), [], 'COMMAND_NOT_FOUND'],
      [noInterpreter, [], 'COMMAND_NOT_FOUND'],
      [notExecutable, [], 'COMMAND_NOT_EXECUTABLE'],
      [folder, [], 'COMMAND_NOT_EXECUTABLE'],
      [NODE, ['x'.repeat(10_000_000)], 'COMMAND_TOO_LONG'],
      [NODE, ['a\0b'], 'COMMAND_INVALID'],
    ] as const) {
      const error = errorOf(await begin(executable, args, {}, by).outcome)
      assert.deepEqual([error.code, error.retryable], [code, false], `${executable}: ${error.message}`)
    }
  })

  it('that the operator does not allow are refused', async () => {
    const error = errorOf(await begin('/usr/bin/env', []).outcome)
    assert.deepEqual([error.code, error.retryable], ['COMMAND_NOT_ALLOWED', false])
  })
})

describe('the list of allowed commands', () => {
  const kind = async (allowed: readonly string[], executable: string) => {
    const found = await createAllowedCommands(allowed).find(executable)
    return 'path' in found ? found.path : 'refused'
  }

  it('holds for the path as it is listed, however it is written', async () => {
    assert.equal(await kind(['/usr/bin/x'], '/usr/bin/../bin/./x'), '/usr/bin/x')
    assert.equal(await kind(['/usr//bin/x'], '/usr/bin/x'), '/usr/bin/x')
    for (const other of ['/usr/bin/y', '/usr/bin/x/../y', 'x', './x', '', '/usr/bin/x '])
      assert.equal(await kind(['/usr/bin/x'], other), 'refused', other)
  })

  it('holds for a link to what is listed, and not for what a listed link leads to', async () => {
    const real = realpathSync(script('#!/bin/sh\nexit 0\n'))
    const link = join(temporaryDirectory(), 'link')
    symlinkSync(real, link)
    assert.equal(await kind([real], link), real)
    assert.equal(await kind([link], link), link)
    assert.equal(await kind([link], real), 'refused')
    const outcome: Outcome = await begin(link, [], {}, createCommandPerformer(createAllowedCommands([real]))).outcome
    assert.equal(outcome.kind, 'SUCCEEDED')
  })

  it('is empty unless the operator says otherwise, and takes absolute paths only', async () => {
    assert.equal(await kind([], '/bin/sh'), 'refused')
    assert.throws(() => createAllowedCommands(['sh']), /"sh" is not the absolute path/)
  })
})
