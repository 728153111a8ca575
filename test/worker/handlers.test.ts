import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Outcome } from '../../src/domain/run.ts'
import { createPerformers, type TargetPerformers } from '../../src/worker/targets/performers.ts'
import { errorOf, outputOf, type TestAttempt, testAttempt, testLog } from './fixtures/attempt.ts'

const FIXTURES = join(import.meta.dirname, 'fixtures/handlers')
const EXAMPLES = join(import.meta.dirname, '../../examples/handlers')
const SECRET = `whsec_${Buffer.alloc(24, 1).toString('base64')}`
const INTERRUPTED: Outcome = { kind: 'INTERRUPTED' }
const CANCELLED: Outcome = { kind: 'CANCELLED' }

function open(handlersFolder: string | null, log = testLog()): Promise<TargetPerformers> {
  return createPerformers({ allowTargets: [], allowCommands: [], handlersFolder, signingSecret: SECRET, log })
}

interface Started extends TestAttempt {
  readonly outcome: Promise<Outcome>
}

function perform(performers: TargetPerformers, handler: string, options: Parameters<typeof testAttempt>[1] = {}): Started {
  const target = { kind: 'handler', handler } as const
  const attempt = testAttempt(target, options)
  return { ...attempt, outcome: performers.handler.perform(target, attempt.context) }
}

describe('built-in handlers', () => {
  let performers: TargetPerformers
  before(async () => {
    performers = await open(null)
  })
  after(() => performers.close())

  it('noop succeeds without an output', async () => {
    assert.deepEqual(await perform(performers, 'noop').outcome, { kind: 'SUCCEEDED', output: null })
  })

  it('log writes one line for each element of an array, text as it is', async () => {
    const attempt = perform(performers, 'log', { payload: ['one', { two: 2 }, [3], null] })
    assert.equal((await attempt.outcome).kind, 'SUCCEEDED')
    assert.deepEqual(
      attempt.lines.map(({ level, message }) => [level, message]),
      [
        ['INFO', 'one'],
        ['INFO', '{"two":2}'],
        ['INFO', '[3]'],
        ['INFO', 'null'],
      ],
    )
  })

  it('log writes any other payload as one line, and cuts a very long list', async () => {
    const one = perform(performers, 'log', { payload: { a: [1] } })
    await one.outcome
    assert.deepEqual(
      one.lines.map(({ message }) => message),
      ['{"a":[1]}'],
    )
    const many = perform(performers, 'log', { payload: Array.from({ length: 5_000 }, (_, i) => i) })
    await many.outcome
    assert.equal(many.lines.length, 1_001)
    assert.equal(many.lines.at(-1)?.message, '4000 more elements are not shown')
  })

  it('a handler that nobody registered is FAILED', async () => {
    assert.equal(errorOf(await perform(performers, 'nothere').outcome).code, 'HANDLER_UNKNOWN')
  })

  it('without a folder they are all there is', () => {
    assert.deepEqual(
      performers.handlers.map(({ name, payloadSchema }) => [name, payloadSchema]),
      [
        ['log', null],
        ['noop', null],
      ],
    )
  })
})

describe('handlers of a folder', () => {
  let performers: TargetPerformers
  const behave = (deed: string, more: object = {}, options: object = {}) =>
    perform(performers, 'behave', { payload: { do: deed, ...more }, ...options })
  before(async () => {
    performers = await open(FIXTURES)
  })
  after(() => performers.close())

  it('are listed by name with the JSON Schema of their payload; folders inside are not read', () => {
    assert.deepEqual(
      performers.handlers.map(({ name }) => name),
      ['behave', 'echo', 'log', 'noop', 'order', 'slowSchema'],
    )
    const order = performers.handlers.find(({ name }) => name === 'order')
    assert.equal(order?.description, 'Takes an order.')
    const schema = order?.payloadSchema as { properties: object; required: string[] }
    assert.deepEqual(Object.keys(schema.properties), ['customer', 'copies'])
    assert.deepEqual(schema.required, ['customer'])
  })

  it('get the facts of their run, and what they return is the output', async () => {
    const attempt = perform(performers, 'echo', { payload: { deep: ['x'] }, runId: 'run_echo', number: 3 })
    assert.deepEqual(outputOf(await attempt.outcome), {
      runId: 'run_echo',
      jobName: 'a job',
      attempt: 3,
      trigger: 'SCHEDULE',
      scheduledFor: '2026-01-02T03:04:05.000Z',
      dueAt: '2026-01-02T03:04:06.000Z',
      coalesced: 2,
      payload: { deep: ['x'] },
      keys: ['log', 'progress', 'signal'],
      aborted: false,
    })
  })

  it('log lines, console output and progress arrive in order and before the end', async () => {
    const attempt = behave('talk')
    assert.equal((await attempt.outcome).kind, 'SUCCEEDED')
    assert.deepEqual(
      attempt.lines.slice(1, 4).map(({ level, message, fields }) => [level, message, fields]),
      [
        ['DEBUG', 'one', { a: 1 }],
        ['INFO', 'two', undefined],
        ['WARN', '{ three: 3 }', undefined],
      ],
    )
    assert.equal(attempt.lines[4]?.level, 'ERROR')
    assert.ok(attempt.lines[4]?.fields)
    assert.equal(attempt.lines[5]?.message, 'nul \ufffd and half \ufffd')
    assert.deepEqual(
      attempt.lines.slice(6, 8).map(({ level, message }) => [level, message]),
      [
        ['INFO', 'from console { x: 1 }'],
        ['ERROR', 'an error'],
      ],
    )
    assert.ok(attempt.lines.slice(8).some(({ message }) => message.includes('│')))
    assert.equal(attempt.progress[0], 0)
    assert.equal(attempt.progress.at(-1), 100)
    assert.ok(attempt.progress.length < 10, `${attempt.progress.length} messages of progress`)
  })

  it('progress that came soon after other progress is told although the handler says nothing more', async () => {
    const attempt = behave('halfWay')
    await attempt.reached(50)
    attempt.abort()
    assert.deepEqual(attempt.progress, [10, 50])
    await attempt.outcome
  })

  it('a flood of lines is not lost, and one that never ends holds up nobody else', async () => {
    const flood = behave('flood', { value: 20_000 })
    assert.equal((await flood.outcome).kind, 'SUCCEEDED')
    assert.equal(flood.lines.length, 20_001)
    const endless = behave('floodForever')
    await endless.told(/^x+$/)
    assert.equal(outputOf(await perform(performers, 'echo').outcome) !== null, true)
    endless.abort()
    assert.deepEqual(await endless.outcome, CANCELLED)
  })

  it('what they throw is FAILED, with what they say of another attempt', async () => {
    const outcome = await behave('fail').outcome
    const error = errorOf(outcome)
    assert.deepEqual([error.code, error.message, error.retryable], ['NOT_TODAY', 'not today', false])
    assert.match(error.stack ?? '', /behave\.ts/)
    assert.equal(outcome.kind === 'FAILED' && outcome.retryAfter, 3_600_000)
    for (const deed of ['throwNothing', 'throwTrap']) {
      const other = errorOf(await behave(deed).outcome)
      assert.deepEqual([other.code, other.retryable], ['HANDLER_FAILED', true])
    }
  })

  it('an output must be JSON and small', async () => {
    assert.deepEqual(await behave('give', { value: { a: [1, null] } }).outcome, { kind: 'SUCCEEDED', output: '{"a":[1,null]}' })
    assert.deepEqual(await behave('give', { value: null }).outcome, { kind: 'SUCCEEDED', output: 'null' })
    assert.deepEqual(await behave('giveNothing').outcome, { kind: 'SUCCEEDED', output: null })
    for (const [deed, code] of [
      ['giveFunction', 'OUTPUT_NOT_JSON'],
      ['giveCycle', 'OUTPUT_NOT_JSON'],
      ['giveBigInt', 'OUTPUT_NOT_JSON'],
      ['giveMuch', 'OUTPUT_TOO_LARGE'],
    ] as const) {
      const error = errorOf(await behave(deed).outcome)
      assert.deepEqual([error.code, error.retryable], [code, false], deed)
    }
  })

  it('a schema is asked when a job is created, and gives the payload its defaults when a run starts', async () => {
    const target = { kind: 'handler', handler: 'order' } as const
    const faults = await performers.rules.check({ target, payload: '{"customer":{"id":"x"},"copies":1.5}' })
    assert.deepEqual(
      faults.map(({ code, path }) => [code, path]),
      [
        ['INVALID', ['payload', 'customer', 'id']],
        ['INVALID', ['payload', 'copies']],
      ],
    )
    assert.deepEqual(await performers.rules.check({ target, payload: '{"customer":{"id":1}}' }), [])
    assert.deepEqual(
      (await performers.rules.check({ target, payload: null })).map(({ path }) => path),
      [['payload']],
    )
    assert.deepEqual(outputOf(await perform(performers, 'order', { payload: { customer: { id: 1 } } }).outcome), {
      customer: { id: 1 },
      copies: 1,
    })
    const error = errorOf(await perform(performers, 'order', { payload: { customer: {} } }).outcome)
    assert.deepEqual([error.code, error.retryable], ['PAYLOAD_REFUSED', false])
    assert.match(error.message, /payload\.customer\.id/)
  })

  it('a schema that breaks or never answers refuses the payload with the reason', async () => {
    const target = { kind: 'handler', handler: 'slowSchema' } as const
    const [broke] = await performers.rules.check({ target, payload: '"throw"' })
    assert.match(broke?.message ?? '', /the schema broke/)
    const [never] = await performers.rules.check({ target, payload: '"never"' })
    assert.match(never?.message ?? '', /longer than 5 s/)
    assert.deepEqual(await performers.rules.check({ target, payload: '1' }), [])
  })

  it('one that listens to its signal ends with it', async () => {
    const attempt = behave('waitForAbort')
    await attempt.told('started')
    attempt.abort('cancel')
    assert.deepEqual(await attempt.outcome, CANCELLED)
    const done = behave('succeedOnAbort')
    await done.told('started')
    done.abort('cancel')
    assert.match(String(outputOf(await done.outcome)), /cancel/)
  })

  it('one that was to end before it began does not begin', async () => {
    const target = { kind: 'handler', handler: 'behave' } as const
    const attempt = testAttempt(target, { payload: { do: 'giveNothing' } })
    attempt.abort()
    assert.deepEqual(await performers.handler.perform(target, attempt.context), CANCELLED)
    assert.deepEqual(attempt.lines, [])
  })
})

describe('closing', () => {
  it('interrupts what is under way, and what comes after', async () => {
    const performers = await open(FIXTURES)
    const attempt = perform(performers, 'behave', { payload: { do: 'ignoreAbort' } })
    await attempt.told('started')
    await performers.close()
    assert.deepEqual(await attempt.outcome, INTERRUPTED)
    assert.deepEqual(await perform(performers, 'echo').outcome, INTERRUPTED)
  })
})

describe('the examples', () => {
  let performers: TargetPerformers
  before(async () => {
    performers = await open(EXAMPLES)
  })
  after(() => performers.close())

  it('are handlers', () => {
    assert.deepEqual(
      performers.handlers.map(({ name }) => name),
      ['copy-in-steps', 'greet', 'log', 'noop', 'send-report'],
    )
  })

  it('greet', async () => {
    assert.deepEqual(outputOf(await perform(performers, 'greet', { payload: { name: 'Ada' } }).outcome), { greeting: 'Hello, Ada!' })
    assert.deepEqual(outputOf(await perform(performers, 'greet').outcome), { greeting: 'Hello, world!' })
  })

  it('send-report refuses what does not fit, and does not try again what cannot succeed', async () => {
    const target = { kind: 'handler', handler: 'send-report' } as const
    assert.deepEqual(
      (await performers.rules.check({ target, payload: '{"format":"doc"}' })).map(({ path }) => path),
      [
        ['payload', 'customer', 'id'],
        ['payload', 'format'],
      ],
    )
    assert.deepEqual(outputOf(await perform(performers, 'send-report', { payload: { customer: { id: 7 } }, runId: 'run_r' }).outcome), {
      file: 'report-7-2026-01-run_r.pdf',
    })
    const error = errorOf(await perform(performers, 'send-report', { payload: { customer: { id: 0 } } }).outcome)
    assert.deepEqual([error.code, error.retryable], ['UNKNOWN_CUSTOMER', false])
  })

  it('copy-in-steps tells its progress and ends when it is told to', async () => {
    const whole = perform(performers, 'copy-in-steps', { payload: { steps: 2 } })
    assert.deepEqual(outputOf(await whole.outcome), { steps: 2 })
    assert.equal(whole.progress.at(-1), 100)
    const ended = perform(performers, 'copy-in-steps', { payload: { steps: 1_000 } })
    ended.abort()
    assert.deepEqual(await ended.outcome, CANCELLED)
  })
})
