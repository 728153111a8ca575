import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openEngine } from '../../src/engine/engine.ts'
import { StoreUnavailable } from '../../src/engine/errors.ts'
import { keepingLog } from '../support/parts.ts'
import { startPostgres } from '../support/postgres.ts'
import { createJob, NOON } from './factories.ts'
import { openPostgresDatabase } from './openPostgres.ts'
import { openSqliteDatabase } from './openSqlite.ts'

describe('Prisma on Postgres', () => {
  it('reads values of the same kinds as on SQLite', async (t) => {
    const engines = [await (await openPostgresDatabase(t)).open(), await (await openSqliteDatabase(t)).open()]
    const read = await Promise.all(
      engines.map(async ({ store, prisma }) => {
        const { id } = await createJob(store, {
          id: 'job_1',
          name: 'a',
          tags: ['t'],
          pause: { since: NOON, until: null, note: 'n', by: null },
        })
        const job = await prisma.job.findUniqueOrThrow({ where: { id }, include: { position: true, tagRows: true, revisions: true } })
        return { job, events: await prisma.jobEvent.findMany() }
      }),
    )
    assert.deepEqual(read[0], read[1])
    const { job, events } = read[0]!
    assert.deepEqual([job.createdAt, events[0]!.cursor], [new Date(NOON), 1n])
  })

  it('is refused every write by the database', async (t) => {
    const { prisma } = await (await openPostgresDatabase(t)).open()
    await assert.rejects(prisma.setting.create({ data: { name: 'a', value: 'b' } }), /read-only transaction/)
    await assert.rejects(prisma.$executeRawUnsafe('DELETE FROM "Setting"'), /read-only transaction/)
  })

  it('says that the database is away as the store does, and goes on when it is back', async (t) => {
    const server = await startPostgres()
    t.after(() => server.remove())
    const engine = await openEngine({ databaseUrl: server.url, instanceId: 'ins_test', log: keepingLog().log })
    t.after(() => engine.close())
    assert.deepEqual(await engine.prisma.job.findMany(), [])
    await server.stop('immediate')
    for (let i = 0; i < 6; i++) await assert.rejects(engine.prisma.job.findMany(), StoreUnavailable)
    await server.start()
    assert.deepEqual(await engine.prisma.job.findMany(), [])
  })
})
