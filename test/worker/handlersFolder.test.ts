import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { createPerformers, type TargetPerformers } from '../../src/worker/targets/performers.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { outputOf, testAttempt, testLog } from './fixtures/attempt.ts'

function open(handlersFolder: string, log = testLog()): Promise<TargetPerformers> {
  return createPerformers({ allowTargets: [], allowCommands: [], handlersFolder, signingSecret: 'unused', log })
}

/** A folder with these modules. */
function folderOf(modules: Readonly<Record<string, string>>): string {
  const folder = temporaryDirectory()
  for (const [name, source] of Object.entries(modules)) writeFileSync(join(folder, name), source)
  return folder
}

describe('starting with a folder of handlers', () => {
  const refusal = async (folder: string): Promise<string> => {
    const performers = await open(folder).catch((error: Error) => error.message)
    if (typeof performers === 'string') return performers
    await performers.close()
    return assert.fail('it started')
  }

  for (const [what, modules, reason] of [
    ['a module that throws', { 'bad.ts': "throw new Error('no database')" }, /ORRERY_HANDLERS: .*bad\.ts: .*no database/],
    ['a syntax error', { 'bad.mjs': 'export default {' }, /bad\.mjs: /],
    ['a missing import', { 'bad.ts': "import './nothere.ts'\nexport default () => {}" }, /bad\.ts: .*nothere/],
    ['no handler', { 'bad.ts': 'export const x = 1' }, /bad\.ts: .*exports no handler/],
    ['no run', { 'bad.ts': 'export default {}' }, /bad\.ts: .*no function run/],
    ['a name that is none', { 'bad.ts': "export default { name: 'a b', run() {} }" }, /bad\.ts: .*no name for a handler/],
    ['a schema that is none', { 'bad.ts': 'export default { schema: { type: 1 }, run() {} }' }, /bad\.ts: .*no Standard Schema/],
    ['a built-in name', { 'log.ts': 'export default () => {}' }, /log\.ts: the name "log" is taken by the handler of the server itself/],
    [
      'one name twice',
      { 'a.ts': "export default { name: 'x', run() {} }", 'b.ts': "export const handler = { name: 'x', run() {} }" },
      /b\.ts: the name "x" is taken by the handler of .*a\.ts/,
    ],
    ['process.exit at the top level', { 'bad.ts': 'process.exit(0)' }, /bad\.ts: .*process\.exit/],
  ] as const) {
    it(`is refused for ${what}, with the file and the reason`, async () => {
      assert.match(await refusal(folderOf(modules)), reason)
    })
  }

  it('is refused for a folder that is not there', async () => {
    assert.match(await refusal(join(temporaryDirectory(), 'nothere')), /ORRERY_HANDLERS: The folder of handlers cannot be read: ENOENT/)
  })

  it('names a handler after its file, follows links, and passes over what is no module', async () => {
    const folder = folderOf({
      'plain.mjs': 'export default () => 1',
      'types.d.ts': 'syntax error',
      '.hidden.ts': 'syntax error',
      'notes.txt': '',
    })
    mkdirSync(join(folder, 'inside.ts'))
    writeFileSync(join(folder, 'inside.ts', 'real.js'), 'export const handler = () => 2')
    symlinkSync(join(folder, 'inside.ts', 'real.js'), join(folder, 'linked.js'))
    const performers = await open(folder)
    assert.deepEqual(
      performers.handlers.map(({ name }) => name),
      ['linked', 'log', 'noop', 'plain'],
    )
    const target = { kind: 'handler', handler: 'linked' } as const
    assert.equal(outputOf(await performers.handler.perform(target, testAttempt(target).context)), 2)
    await performers.close()
  })

  it('what a module writes outside of a run goes to the log of the server', async () => {
    const log = testLog()
    const performers = await open(folderOf({ 'chatty.ts': "console.log('loading'); export default () => {}" }), log)
    assert.ok(log.messages.includes('loading'))
    await performers.close()
  })
})
