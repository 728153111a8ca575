import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { DAY, HOUR } from '../../src/domain/instant.ts'
import type { RetentionRules } from '../../src/domain/retention.ts'
import { ageing } from '../../src/engine/store/postgres/ageing.ts'
import type { Database } from '../../src/engine/store/postgres/database.ts'
import { deletedJobs } from '../../src/engine/store/postgres/deletedJobs.ts'
import { figureReads } from '../../src/engine/store/postgres/figureReads.ts'
import { Figures } from '../../src/engine/store/postgres/figures.ts'
import { population } from '../../src/engine/store/postgres/population.ts'
import { Sweep } from '../../src/engine/store/postgres/sweep.ts'
import type { SweepPlace, SweepResult } from '../../src/engine/store/store.ts'
import { createPostgresDatabase, type PostgresDatabase } from '../support/postgres.ts'
import {
  BEGINNING,
  ExplainedSession,
  type Explained,
  explainedDatabase,
  explainedTransaction,
  fill,
  jobNumbered,
} from './explainedSession.ts'

const JOBS = 2_000
const RUNS_EACH = 60
const RULES: RetentionRules = { succeededFor: 30 * DAY, failedFor: 90 * DAY, mostOfJob: 10_000, alwaysOfJob: 50 }

/** An hour of figures of all jobs from BEGINNING on, by the minute, and three by the hour; and a revision of each job. */
const FIGURES = `
  INSERT INTO "JobMinute" (minute, "jobId", "instanceId", succeeded, failed, "timedOut", cancelled, skipped, lag, duration)
    SELECT m.at, j.id, 'ins_a', 1, 0, 0, 0, 0, '[[3,1]]', '[[5,1]]'
    FROM (SELECT id FROM "Job" UNION ALL SELECT '') j, generate_series($1::timestamptz, $1::timestamptz + interval '59 min', interval '1 min') AS m(at);
  INSERT INTO "JobHour" ("jobId", hour, succeeded, failed, "timedOut", cancelled, skipped, lag, duration)
    SELECT j.id, h.at, 1, 0, 0, 0, 0, '[[3,1]]', '[[5,1]]'
    FROM "Job" j, generate_series($1::timestamptz - interval '3 h', $1::timestamptz - interval '1 h', interval '1 h') AS h(at);
  INSERT INTO "Revision" ("jobId", number, schedule, "from", "until")
    SELECT id, 1, '{"kind":"interval","every":60000,"anchor":${BEGINNING},"startAt":null,"endAt":null,"maxRuns":null,"jitter":null}', $1::timestamptz, NULL
    FROM "Job"`

describe('how Postgres carries out keeping', () => {
  let database: PostgresDatabase
  let session: ExplainedSession
  let explained: Database

  before(async () => {
    database = await createPostgresDatabase()
    await fill(database.url, { jobs: JOBS, runsEach: RUNS_EACH })
    session = await ExplainedSession.open(database.url)
    const at = new Date(BEGINNING).toISOString()
    for (const statement of FIGURES.split(';')) await session.rowsOnce(statement, [at])
    await session.rowsOnce(
      `UPDATE "JobPosition" SET "activeRuns" = 1 WHERE "jobId" IN (SELECT "jobId" FROM "Run" WHERE "finishedAt" IS NULL)`,
    )
    await session.analyze()
    explained = explainedDatabase(session)
  })
  after(async () => {
    await session?.end()
    await database?.drop()
  })

  /** The statements of `work` that looked at more than `most` rows. */
  async function looking(most: number, work: () => Promise<unknown>): Promise<readonly Explained[]> {
    session.explained.length = 0
    await work()
    assert.ok(session.explained.length > 0)
    return session.explained.filter(({ looked }) => looked > most)
  }

  it('a look for what may go: of each job its newest runs, and the first of the others', async () => {
    const sweep = new Sweep(explained, 'ins_a')
    // 200 jobs: 50 runs that stay, all 60 in search of those beyond the most, one that is the oldest, and what is old besides.
    const faults = await looking(200 * (RULES.alwaysOfJob + RUNS_EACH + 8), async () => {
      const { jobs, removed } = await sweep.sweepJobs({ rules: RULES, from: null, now: BEGINNING + HOUR })
      assert.deepEqual([jobs, removed], [200, 0])
    })
    assert.deepEqual(faults, [])
  })

  it('a removal: the runs that go, their neighbours in the ledger, and the hours of their jobs', async () => {
    const sweep = new Sweep(explained, 'ins_a')
    const rules = { ...RULES, alwaysOfJob: 10 }
    // The look passes over the old failed runs that stay, and reads a page of each job.
    const faults = await looking(200 * (10 + RUNS_EACH + 20 + 8), async () => {
      let removed = 0
      for (let from: SweepPlace | null = { jobId: jobNumbered(1_000), runId: null }; from !== null && removed < 100; ) {
        const result: SweepResult = await sweep.sweepJobs({ rules, from, now: BEGINNING + 92 * DAY })
        removed += result.removed
        from = result.next
      }
      assert.ok(removed >= 100)
    })
    assert.deepEqual(faults, [])
    const removal = session.explained.filter(({ sql }) => /^(DELETE|WITH held|SELECT n\.\*|SELECT i\.)/.test(sql))
    assert.ok(removal.length >= 5)
    assert.deepEqual(
      removal.filter(({ looked }) => looked > 1_000),
      [],
    )
  })

  it('figures: a minute of many jobs by its key, minutes to their hours by theirs, and old ones from the first on', async () => {
    const { rollUpFigures, removeJobEvents } = ageing(explained)
    const tx = explainedTransaction(session)
    for (let job = 1; job <= 100; job++) {
      const at = BEGINNING + HOUR
      tx.effects.ended.push({ jobId: jobNumbered(job), trigger: 'SCHEDULE', status: 'SUCCEEDED', dueAt: at, startedAt: at, finishedAt: at })
    }
    const faults = await looking(4 * 101, async () => {
      await new Figures('ins_a').write(tx)
      assert.equal(await rollUpFigures(BEGINNING + 2 * HOUR, 100), 100)
      assert.equal(await removeJobEvents(BEGINNING + 500 * DAY, 100), 100)
    })
    assert.deepEqual(faults, [])
    await session.rowsOnce(`UPDATE "Setting" SET value = $1 WHERE name = 'figuresSummed'`, [
      JSON.stringify({ minute: BEGINNING + DAY, jobId: '', instanceId: '' }),
    ])
    const removing = await looking(201, async () => assert.equal(await rollUpFigures(BEGINNING + 10 * DAY, 100), 100))
    assert.deepEqual(removing, [])
  })

  it('reads of figures: the minutes and the hours of one job', async () => {
    const { figures } = figureReads(explained)
    const query = { jobId: jobNumbered(77), from: BEGINNING - 3 * HOUR, to: BEGINNING + 2 * HOUR }
    const faults = await looking(120, async () => {
      await figures({ ...query, buckets: 50 })
      await figures({ ...query, buckets: 1 })
    })
    assert.deepEqual(faults, [])
  })

  it('the population: jobs from indexes, and the runs that have not ended', async () => {
    const faults = await looking(4 * JOBS, () => population(explained).population(BEGINNING))
    assert.deepEqual(faults, [])
    assert.ok(session.explained.every(({ steps }) => !steps.includes('Seq Scan Run')))
  })

  it('the removal of deleted jobs: what is theirs', async () => {
    await session.rowsOnce(`UPDATE "Job" SET "deletedAt" = now(), "liveName" = NULL WHERE id <= $1`, [jobNumbered(40)])
    await session.analyze()
    const { removeDeleted } = deletedJobs(explained)
    const faults = await looking(1_000, async () => assert.equal(await removeDeleted(1_000), 1_000))
    assert.deepEqual(faults, [])
  })
})
