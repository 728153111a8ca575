import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { z } from 'zod'
import { HandlerHosts } from '../../src/worker/handlers/hosts.ts'
import type { HandlerDescription, Handlers } from '../../src/worker/handlers/registry.ts'
import { SystemHandlers } from '../../src/worker/handlers/systemHandlers.ts'
import { testLog } from './fixtures/attempt.ts'

const hosts = new HandlerHosts(testLog())
after(() => hosts.close())

const own: Handlers = {
  list: [{ name: 'noop', description: 'Does nothing.', payloadSchema: null }],
  find: (name) => (name === 'noop' ? { kind: 'module', file: '/noop.ts', hasSchema: true } : null),
  check: async () => [{ path: ['own'], message: 'said by the code' }],
}

const handlerOf = (name: string, payloadSchema: unknown = null): HandlerDescription => ({ name, description: null, payloadSchema })

/** What workers tell, and how often they were asked. */
function telling(...handlers: HandlerDescription[]) {
  const told = { handlers, asked: 0 }
  const system = new SystemHandlers({
    own,
    hosts,
    told: async () => {
      told.asked += 1
      return told.handlers
    },
  })
  return { told, system }
}

/** The paths of what is wrong with a payload by a schema. */
async function faults(schema: unknown, payload: unknown): Promise<readonly string[]> {
  const { system } = telling(handlerOf('theirs', schema))
  const issues = await system.check('theirs', payload === undefined ? null : JSON.stringify(payload))
  for (const { message } of issues!) assert.ok(message.length > 3)
  return issues!.map(({ path }) => path.join('.'))
}

describe('the handlers of the system', () => {
  test('are those of this process and those that workers tell of, each once, by name', async () => {
    const { system } = telling(handlerOf('report'), handlerOf('noop', { type: 'string' }), handlerOf('copy'))
    assert.deepEqual(await system.list(), [handlerOf('copy'), own.list[0], handlerOf('report')])
  })

  test('are asked for once in a while; one that is not known is looked for anew', async () => {
    const { system, told } = telling(handlerOf('old'))
    assert.deepEqual(await system.check('old', '1'), [])
    await system.list()
    assert.deepEqual(await system.check('old', '1'), [])
    assert.equal(told.asked, 1)
    told.handlers = [handlerOf('new')]
    assert.deepEqual(await system.check('new', '1'), [])
    assert.equal(told.asked, 2)
    assert.equal(await system.check('nobodys', '1'), null)
    assert.equal(told.asked, 3)
  })

  test('of which this process has the code are checked by that', async () => {
    const { system, told } = telling(handlerOf('noop', {}))
    assert.deepEqual(await system.check('noop', '1'), [{ path: ['own'], message: 'said by the code' }])
    assert.equal(told.asked, 0)
  })
})

describe('a payload for a handler whose code is elsewhere', () => {
  const schema = z.object({
    to: z.email(),
    rows: z.array(z.object({ id: z.int().min(1), 'a/b~c': z.iso.datetime().optional() })).max(2),
    copies: z.number().default(1),
    kind: z.enum(['a', 'b']).nullable(),
  })
  const shown = z.toJSONSchema(schema, { io: 'input' })
  const good = { to: 'a@b.example', rows: [{ id: 1, 'a/b~c': '2026-11-29T05:00:00Z' }], kind: null }

  test('that fits its JSON Schema is accepted, defaults left out', async () => {
    assert.deepEqual(await faults(shown, good), [])
    assert.deepEqual(await faults(shown, { ...good, copies: 2 }), [])
  })

  test('that does not fit is refused where the fault is, as its own schema would', async () => {
    for (const bad of [
      { ...good, to: 'nobody' },
      { ...good, rows: [{ id: 1 }, { id: 'x' }] },
      { ...good, rows: [{ id: 1, 'a/b~c': 'noon' }] },
      { ...good, rows: [{ id: 1 }, { id: 1 }, { id: 1 }] },
      { ...good, kind: 'c' },
      { rows: [], kind: 'a' },
      [],
      'text',
      null,
    ]) {
      const bySchema = schema.safeParse(bad).error!.issues.map(({ path }) => path.join('.'))
      assert.deepEqual(new Set(await faults(shown, bad)), new Set(bySchema), JSON.stringify(bad))
    }
  })

  test('is refused where it is missing and may not be', async () => {
    assert.deepEqual(await faults(shown, undefined), [''])
    assert.deepEqual(await faults({}, undefined), [])
  })

  test('is held to the draft that its schema names', async () => {
    // A tuple is written in another way since 2020-12; the older one means something else there.
    const old = { $schema: 'http://json-schema.org/draft-07/schema#', type: 'array', items: [{ type: 'string' }], additionalItems: false }
    const fresh = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'array',
      prefixItems: [{ type: 'string' }],
      items: false,
    }
    const between = {
      $schema: 'https://json-schema.org/draft/2019-09/schema',
      properties: { a: {} },
      unevaluatedProperties: false,
    }
    for (const each of [old, fresh]) {
      assert.deepEqual(await faults(each, ['a']), [])
      assert.deepEqual(await faults(each, [1]), ['0'])
      assert.deepEqual(await faults(each, ['a', 'b']), [''])
    }
    assert.deepEqual(await faults(between, { b: 1 }), ['b'])
  })

  test('is accepted where the schema cannot be used: the handler itself will say', async () => {
    for (const each of [{ $ref: 'https://elsewhere.example/schema' }, { type: 'no such type' }, true, []])
      assert.deepEqual(await faults(each, 1), [])
  })

  test('is refused where the schema does not come to an end; the thread does, and others go on', async () => {
    const { system } = telling(handlerOf('slow', { type: 'string', pattern: '^(a+)+$' }), handlerOf('quick', { type: 'string' }))
    const slow = system.check('slow', JSON.stringify(`${'a'.repeat(60)}!`))
    assert.deepEqual(await system.check('quick', '"a"'), [])
    const [issue] = (await slow)!
    assert.match(issue!.message, /^The handler's schema could not check the payload: it took longer than 5 s/)
    assert.equal((await system.check('quick', '1'))?.length, 1)
  })
})
