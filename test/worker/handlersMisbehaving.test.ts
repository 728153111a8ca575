import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Outcome } from '../../src/domain/run.ts'
import { createPerformers, type TargetPerformers } from '../../src/worker/targets/performers.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { errorOf, outputOf, type TestAttempt, testAttempt, testLog } from './fixtures/attempt.ts'

const SECRET = `whsec_${Buffer.alloc(24, 1).toString('base64')}`
const INTERRUPTED: Outcome = { kind: 'INTERRUPTED' }
const CANCELLED: Outcome = { kind: 'CANCELLED' }

interface Started extends TestAttempt {
  readonly runId: string
  readonly outcome: Promise<Outcome>
}

/** Performs handlers in a process of the suite's own, from its beginning to its end. */
function performing() {
  const log = testLog()
  let performers: TargetPerformers
  const perform = (handler: string, options: Parameters<typeof testAttempt>[1] = {}): Started => {
    const target = { kind: 'handler', handler } as const
    const attempt = testAttempt(target, options)
    return { ...attempt, runId: attempt.context.attempt.runId, outcome: performers.handler.perform(target, attempt.context) }
  }
  const behave = (deed: string, more: object = {}, options: object = {}) =>
    perform('behave', { payload: { do: deed, ...more }, ...options })
  const place = async (options: object = {}) => outputOf(await behave('thread', {}, options).outcome) as { threadId: number; pid: number }
  /** Performs a run as the product would: again, as long as it is interrupted. */
  const untilEnded = async (handler: string, payload: unknown = null): Promise<Outcome> => {
    for (let number = 1, runId: string | undefined; ; number++) {
      const attempt = perform(handler, { payload, number, ...(runId === undefined ? {} : { runId }) })
      const outcome = await attempt.outcome
      if (outcome.kind !== 'INTERRUPTED') return outcome
      runId = attempt.runId
    }
  }
  const works = async () => assert.equal((await untilEnded('echo')).kind, 'SUCCEEDED')
  /** Runs under way that wait for long: more than there are threads, so that none is alone on its own. */
  const neighbours = async (count = 12): Promise<Started[]> => {
    const started = Array.from({ length: count }, () => behave('sleep', { ms: 600_000 }))
    await Promise.all(started.map((attempt) => attempt.told('started')))
    return started
  }
  /** Ends those that are still under way, and answers how many had been interrupted before. */
  const interruptedOf = async (attempts: readonly Started[]): Promise<number> => {
    for (const attempt of attempts) attempt.abort('shutdown')
    const outcomes = await Promise.all(attempts.map((attempt) => attempt.outcome))
    assert.ok(outcomes.every(({ kind }) => kind === 'INTERRUPTED' || kind === 'CANCELLED'))
    return outcomes.filter(({ kind }) => kind === 'INTERRUPTED').length
  }
  before(async () => {
    performers = await createPerformers({
      allowTargets: [],
      allowCommands: [],
      handlersFolder: join(import.meta.dirname, 'fixtures/handlers'),
      signingSecret: SECRET,
      log,
    })
  })
  after(() => performers.close())
  return { log, perform, behave, place, untilEnded, works, neighbours, interruptedOf }
}

// Side by side, each suite with a process of handlers of its own: most of the time is the seconds that a handler is given.
describe('handlers that misbehave', { concurrency: true }, () => {
  const oneByOne = { concurrency: 1 }

  describe('by not ending when they are told to', oneByOne, () => {
    const { behave, interruptedOf, neighbours, perform, place, works } = performing()

    it('one that never yields is ended 5 s after its signal; others are performed all the while, and what shared its thread is INTERRUPTED', async () => {
      const beside = await neighbours()
      const stuck = behave('spinLater')
      await stuck.told('started')
      const others = await Promise.all(Array.from({ length: 100 }, () => perform('echo').outcome))
      assert.ok(others.every(({ kind }) => kind === 'SUCCEEDED' || kind === 'INTERRUPTED'))
      const abortedAt = performance.now()
      stuck.abort()
      assert.deepEqual(await stuck.outcome, CANCELLED)
      const took = performance.now() - abortedAt
      assert.ok(took > 4_900 && took < 7_000, `${took} ms`)
      await works()
      assert.deepEqual(await Promise.race(beside.map(({ outcome }) => outcome)), INTERRUPTED)
      const interrupted = await interruptedOf(beside)
      assert.ok(interrupted < beside.length, 'those on other threads went on')
    })

    it('one that does not listen is ended with its thread; what shared it is INTERRUPTED and goes on in a process of its own', async () => {
      const beside = await neighbours()
      const deaf = behave('ignoreAbort')
      await deaf.told('started')
      const first = Promise.race(beside.map(async ({ outcome, runId }) => ({ outcome: await outcome, runId })))
      deaf.abort()
      assert.deepEqual(await deaf.outcome, CANCELLED)
      const { outcome, runId } = await first
      assert.deepEqual(outcome, INTERRUPTED)
      const shared = await place()
      const again = await place({ runId, number: 2 })
      assert.notEqual(again.pid, shared.pid)
      const third = await place({ runId, number: 3 })
      assert.equal(third.pid, shared.pid)
      assert.ok((await interruptedOf(beside)) < beside.length)
    })

    it('a listener of its signal that throws ends the attempt', async () => {
      const attempt = behave('throwOnAbort')
      await attempt.told('started')
      attempt.abort()
      assert.deepEqual(await attempt.outcome, CANCELLED)
    })
  })

  describe('by filling their thread with what cannot be stopped', oneByOne, () => {
    const { behave, works } = performing()

    it('one that no thread can be stopped from is ended with its process, and the server goes on', async () => {
      const attempt = behave('devour')
      const { fields } = await attempt.told('started')
      attempt.abort()
      assert.deepEqual(await attempt.outcome, CANCELLED)
      await works()
      while (lives(Number(fields?.pid))) await delay(5)
      await works()
    })
  })

  describe('by blocking their thread', oneByOne, () => {
    const { behave, interruptedOf, neighbours } = performing()

    it('one that blocks its thread for 10 s costs those that share it no attempt, and may block as it likes when alone', async () => {
      const beside = await neighbours(8)
      const blocker = behave('block', { ms: 30_000 })
      await blocker.told('started')
      assert.deepEqual(await blocker.outcome, INTERRUPTED)
      const interrupted = await interruptedOf(beside)
      assert.ok(interrupted >= 1 && interrupted < beside.length, `${interrupted} of ${beside.length} interrupted`)
      assert.equal(outputOf(await behave('block', { ms: 200 }, { runId: blocker.runId, number: 2 }).outcome), 'blocked')
    })
  })

  describe('by filling the memory', oneByOne, () => {
    const { untilEnded, works } = performing()

    for (const deed of ['hoard', 'hoardBuffers'] as const) {
      it(`${deed}: one that fills the memory is FAILED, and the server goes on`, async () => {
        const error = errorOf(await untilEnded('behave', { do: deed }))
        assert.ok(['HANDLER_OUT_OF_MEMORY', 'HANDLER_CRASHED'].includes(error.code), error.code)
        await works()
      })
    }
  })

  describe('by ending their thread or their process', oneByOne, () => {
    const { behave, interruptedOf, log, neighbours, place, works } = performing()

    it('handlers run in threads of another process', async () => {
      const { threadId, pid } = await place()
      assert.notEqual(threadId, 0)
      assert.notEqual(pid, process.pid)
    })

    for (const [deed, code] of [
      ['exit', 'HANDLER_EXITED'],
      ['exitLater', 'HANDLER_EXITED'],
      ['throwElsewhere', 'HANDLER_CRASHED'],
      ['forgetPromise', 'HANDLER_CRASHED'],
    ] as const) {
      it(`${deed}: the run at fault is FAILED, and what shared its thread INTERRUPTED`, async () => {
        const beside = await neighbours()
        const error = errorOf(await behave(deed).outcome)
        assert.deepEqual([error.code, error.retryable], [code, true], error.message)
        assert.deepEqual(await Promise.race(beside.map(({ outcome }) => outcome)), INTERRUPTED)
        assert.ok((await interruptedOf(beside)) < beside.length)
        await works()
      })
    }

    it('an end of the thread that a finished run brings about is blamed on nobody else', async () => {
      const beside = await neighbours()
      assert.equal((await behave('exitAfterEnd').outcome).kind, 'SUCCEEDED')
      assert.deepEqual(await Promise.race(beside.map(({ outcome }) => outcome)), INTERRUPTED)
      await interruptedOf(beside)
    })

    it('it cannot signal the server', async () => {
      assert.match(errorOf(await behave('killServer').outcome).message, /may not signal/)
    })

    it('a process that dies has INTERRUPTED what it performed, and one that performed a single run has FAILED it', async () => {
      const beside = await neighbours(3)
      process.kill((await place()).pid, 'SIGKILL')
      assert.deepEqual(await Promise.all(beside.map(({ outcome }) => outcome)), [INTERRUPTED, INTERRUPTED, INTERRUPTED])
      assert.ok(log.messages.includes('the process that performs handlers ended'))
      await works()

      const alone = behave('sleep', { ms: 600_000 }, { runId: beside[0]!.runId, number: 2 })
      const { fields } = await alone.told('started')
      process.kill(Number(fields?.pid), 'SIGKILL')
      const error = errorOf(await alone.outcome)
      assert.equal(error.code, 'HANDLER_CRASHED')
      assert.match(error.message, /SIGKILL/)
    })

    it('a run whose thread ends under it for ever, and nobody knows why, is FAILED in the end', async () => {
      /** Performs all of these in the shared process, and has it die under them. */
      const together = async (runIds: readonly string[], number: number): Promise<Outcome[]> => {
        const attempts = runIds.map((runId) => behave('sleep', { ms: 600_000 }, { runId, number }))
        await Promise.all(attempts.map((attempt) => attempt.told('started')))
        process.kill((await place()).pid, 'SIGKILL')
        return Promise.all(attempts.map(({ outcome }) => outcome))
      }
      const kinds = (outcomes: readonly Outcome[]) => [...new Set(outcomes.map(({ kind }) => kind))]
      const [poor, unlucky] = ['run_poor', 'run_unlucky']
      const crowd = ['run_c1', 'run_c2', 'run_c3', 'run_c4']
      assert.deepEqual(kinds(await together([poor, unlucky, ...crowd], 1)), ['INTERRUPTED'])
      // These take up all the room for those that go alone.
      const alone = crowd.map((runId) => behave('sleep', { ms: 600_000 }, { runId, number: 2 }))
      await Promise.all(alone.map((attempt) => attempt.told('started')))
      assert.deepEqual(kinds(await together([poor, unlucky], 2)), ['INTERRUPTED'])
      const last = await together([poor, unlucky], 3)
      assert.deepEqual(kinds(last), ['FAILED'])
      assert.match(errorOf(last[0]!).message, /3 times/)
      await interruptedOf(alone)
    })

    it('their process does not outlive a server that is killed', async () => {
      const path = (from: string) => JSON.stringify(join(import.meta.dirname, from))
      const file = join(temporaryDirectory(), 'server.ts')
      writeFileSync(
        file,
        `import { createPerformers } from ${path('../../src/worker/targets/performers.ts')}
         import { testAttempt, testLog } from ${path('fixtures/attempt.ts')}
         const performers = await createPerformers({ allowTargets: [], allowCommands: [], handlersFolder: ${path('fixtures/handlers')}, signingSecret: '', log: testLog() })
         const perform = (deed) => {
           const target = { kind: 'handler', handler: 'behave' }
           const attempt = testAttempt(target, { payload: { do: deed } })
           return { ...attempt, outcome: performers.handler.perform(target, attempt.context) }
         }
         const place = await perform('thread').outcome
         await perform('spin').told('started')
         console.log(JSON.parse(place.output).pid)
         process.kill(process.pid, 'SIGKILL')`,
      )
      const server = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
      let said = ''
      server.stdout.on('data', (chunk) => {
        said += chunk
      })
      await once(server, 'close')
      const pid = Number(said)
      assert.ok(pid > 0, said)
      while (lives(pid)) await delay(5)
    })
  })
})

function lives(pid: number): boolean {
  try {
    if (process.platform === 'linux' && /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return false
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
