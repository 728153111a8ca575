import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { openEngine } from '../../src/engine/engine.ts'
import { EngineStartError, type StartRefusal } from '../../src/engine/errors.ts'
import { openWriter } from '../../src/engine/store/sqlite/connection.ts'
import { keepingLog } from '../support/parts.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { createJob, NOON, planRun } from './factories.ts'
import { openSqliteDatabase } from './openSqlite.ts'

const open = (databaseUrl: string) => openEngine({ databaseUrl, instanceId: 'ins_test', log: keepingLog().log })

async function refused(databaseUrl: string, code: StartRefusal, message: RegExp): Promise<void> {
  await assert.rejects(open(databaseUrl), (error) => {
    assert.ok(error instanceof EngineStartError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })
}

/** Opens the file in another process, which lives until it is killed. */
async function openElsewhere(file: string): Promise<ChildProcessByStdio<null, Readable, null>> {
  const source = `
    const { openEngine } = await import(${JSON.stringify(new URL('../../src/engine/engine.ts', import.meta.url).href)})
    const log = { info() {}, warn() {}, error() {} }
    await openEngine({ databaseUrl: 'file:' + ${JSON.stringify(file)}, instanceId: 'ins_other', log })
    console.log('open')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('exit', () => reject(new Error('the other process ended before it had opened the file')))
  })
  return child
}

describe('the file of the embedded engine', () => {
  it('is made with its folder', async (t) => {
    const file = join(temporaryDirectory(), 'new', 'deep', 'orrery.db')
    const database = await openSqliteDatabase(t, `file:${file}`)
    await database.open()
    assert.ok(existsSync(file))
  })

  it('has one process; a second is refused by the name of the file, until the first has let it go', async (t) => {
    const folder = temporaryDirectory()
    const file = join(folder, 'orrery.db')
    const first = await (await openSqliteDatabase(t, `file:${file}`)).open()
    await refused(`file:${file}`, 'IN_USE', new RegExp(`Another process holds the database ${file}`))
    symlinkSync(file, join(folder, 'link.db'))
    await refused(`file:${folder}/link.db`, 'IN_USE', /Another process holds/)
    await first.close()
    await (await open(`file:${folder}/link.db`)).close()
  })

  it('is free again when the process that held it is killed, and holds what that one had stored', async () => {
    const file = join(temporaryDirectory(), 'orrery.db')
    const other = await openElsewhere(file)
    await refused(`file:${file}`, 'IN_USE', /Another process holds/)
    const gone = new Promise((resolve) => other.once('exit', resolve))
    other.kill('SIGKILL')
    await gone
    await (await open(`file:${file}`)).close()
  })

  it('stays refused for what it is not: another kind of file, a folder, a place that cannot be written', async () => {
    const folder = temporaryDirectory()
    writeFileSync(join(folder, 'text.db'), 'This is no database, but it is long enough to be looked at as one.'.repeat(20))
    await refused(`file:${folder}/text.db`, 'NOT_OURS', /text\.db cannot be opened: file is not a database/)
    await refused(`file:${folder}`, 'NOT_OURS', /cannot be opened/)
    await refused(`file:${folder}/text.db/below/orrery.db`, 'NOT_OURS', /cannot be opened/)
    // A refusal keeps no lock.
    await refused(`file:${folder}/text.db`, 'NOT_OURS', /cannot be opened/)
  })

  it('is named by a URL without secrets in what is said of a wrong one', async () => {
    await refused('mysql://user:secret@db/orrery', 'URL', /^(?!.*secret).*Accepted: file:/)
    for (const url of ['file:', 'file::memory:', 'file:./a.db?mode=ro']) await refused(url, 'URL', /accepted: file: and the path of a file/)
  })

  it('is written in write-ahead mode, every commit flushed to the disk', async () => {
    const db = openWriter(join(temporaryDirectory(), 'orrery.db'))
    const pragma = (name: string) => db.pragma(name, { simple: true })
    assert.deepEqual([pragma('journal_mode'), pragma('synchronous'), pragma('foreign_keys')], ['wal', 2, 1])
    db.close()
  })

  it('is read by Prisma with instants as dates, and not written', async (t) => {
    const engine = await (await openSqliteDatabase(t)).open()
    const job = await createJob(engine.store)
    const run = await planRun(engine.store, job)
    const found = await engine.prisma.run.findFirst({
      where: { scheduledFor: { gte: new Date(NOON) } },
      include: { job: { include: { position: true } } },
    })
    assert.deepEqual(
      [found?.id, found?.scheduledFor.toISOString(), found?.job.position?.activeRuns],
      [run.id, new Date(run.scheduledFor).toISOString(), 1],
    )
    await assert.rejects(engine.prisma.job.update({ where: { id: job.id }, data: { name: 'x' } }), /readonly|read-only|query_only/i)
    await assert.rejects(engine.prisma.$executeRawUnsafe('DELETE FROM "Run"'), /readonly|read-only|query_only/i)
    assert.equal(await engine.prisma.run.count(), 1)
  })
})
