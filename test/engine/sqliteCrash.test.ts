import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import Database from 'better-sqlite3'
import { openSqliteDatabase, sqliteUrl } from './openSqlite.ts'

/** Runs the process until it has told of so many things, then kills it at once. Answers all that it had told. */
async function crash(databaseUrl: string, told: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'crashing.ts'), databaseUrl], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
    if (output.split('\n').length > told) child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.once('close', resolve))
  // The last line may be half a line.
  return output.split('\n').slice(0, -1)
}

describe('a process that is killed in the middle of its commits', () => {
  it('has lost nothing that it had acknowledged, and the next one goes on', async (t) => {
    const databaseUrl = sqliteUrl()
    let highest = 0
    for (const told of [40, 200, 400]) {
      const lines = await crash(databaseUrl, told)
      const database = new Database(databaseUrl.replace('file:', ''))
      assert.equal(database.pragma('integrity_check', { simple: true }), 'ok')
      assert.deepEqual(database.pragma('foreign_key_check'), [])
      database.close()

      const engine = await (await openSqliteDatabase(t, databaseUrl)).open()
      const { store } = engine
      for (const line of lines) {
        const [what, value] = line.split(' ') as [string, string]
        if (what === 'job') assert.notEqual(await store.job({ id: value }), null, line)
        if (what === 'run') assert.notEqual(await store.run(value), null, line)
        if (what === 'settled') assert.equal((await store.run(value))?.status, 'SUCCEEDED', line)
        if (what === 'head') highest = Math.max(highest, Number(value))
      }
      assert.ok((await store.streamHead()) >= highest)
      for (const position of await store.duePositions(Number.MAX_SAFE_INTEGER, 10_000)) {
        const active = (await store.activeRuns([position.jobId])).get(position.jobId)!
        assert.equal(position.activeRuns, active.length)
      }
      await engine.close()
    }
    assert.ok(highest > 100)
  })
})
