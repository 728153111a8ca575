import pg from 'pg'
import { instantText } from '../../src/engine/store/postgres/columns.ts'
import type { Database, Reader, Session, Tx } from '../../src/engine/store/postgres/database.ts'
import { BY_INDEX, prepareSession, types } from '../../src/engine/store/postgres/pool.ts'

/** How Postgres carried out a statement. */
export interface Explained {
  readonly sql: string
  /** Names of its steps, with the table or index of each. */
  readonly steps: readonly string[]
  /** Rows of tables and entries of indexes that it looked at, those that a filter threw away included. */
  readonly looked: number
}

/** A node of `EXPLAIN (ANALYZE, FORMAT JSON)`, as far as it is read here. */
interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly Plans?: readonly PlanNode[]
}

/**
 * A session on a connection of its own that notes how Postgres carries out each statement: those that stay prepared by the plan that is
 * made once for all values, the others by the one for theirs. Statements are carried out twice, within a transaction that is taken back.
 */
export class ExplainedSession implements Reader {
  readonly explained: Explained[] = []
  readonly #client: pg.Client
  #prepared = 0

  static async open(url: string): Promise<ExplainedSession> {
    const client = new pg.Client({ connectionString: url, types })
    await client.connect()
    await prepareSession(client)
    await client.query(BY_INDEX)
    await client.query('SET plan_cache_mode = force_generic_plan')
    return new ExplainedSession(client)
  }

  constructor(client: pg.Client) {
    this.#client = client
  }

  async rows<Row>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    await this.#explainPrepared(sql, values)
    return (await this.#client.query(sql, values as unknown[])).rows as Row[]
  }

  async rowsOnce<Row>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    await this.#explain(
      sql,
      sql.replace(/\$(\d+)/g, (_, place: string) => literal(values[Number(place) - 1])),
    )
    return (await this.#client.query(sql, values as unknown[])).rows as Row[]
  }

  async write(sql: string, values: readonly unknown[] = []): Promise<number> {
    await this.#explainPrepared(sql, values)
    return (await this.#client.query(sql, values as unknown[])).rowCount ?? 0
  }

  /** Lets Postgres count what is where, as its own upkeep does in time. */
  async analyze(): Promise<void> {
    await this.#client.query('VACUUM ANALYZE')
  }

  /** Here all statements are of one moment anyway: nobody writes. */
  snapshot<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return work(this)
  }

  end(): Promise<void> {
    return this.#client.end()
  }

  async #explainPrepared(sql: string, values: readonly unknown[]): Promise<void> {
    const name = `explained_${++this.#prepared}`
    await this.#client.query(`PREPARE ${name} AS ${sql}`)
    await this.#explain(sql, `EXECUTE ${name}${values.length === 0 ? '' : `(${values.map(literal).join(', ')})`}`)
  }

  async #explain(sql: string, statement: string): Promise<void> {
    await this.#client.query('BEGIN')
    const { rows } = await this.#client.query<{ 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>(
      `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ${statement}`,
    )
    await this.#client.query('ROLLBACK')
    const nodes = [...nodesOf(rows[0]!['QUERY PLAN'][0].Plan)]
    this.explained.push({
      sql: sql.replace(/\s+/g, ' '),
      steps: nodes.map((node) => [node['Node Type'], node['Index Name'] ?? node['Relation Name']].filter(Boolean).join(' ')),
      looked: nodes.reduce((sum, node) => sum + lookedBy(node), 0),
    })
  }
}

function* nodesOf(node: PlanNode): Generator<PlanNode> {
  yield node
  for (const inner of node.Plans ?? []) yield* nodesOf(inner)
}

/** Only the steps that read: what others pass on was counted there. */
function lookedBy(node: PlanNode): number {
  if (!/Scan$/.test(node['Node Type']) || node['Relation Name'] === undefined) return 0
  const each = node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
  return each * node['Actual Loops']
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  if (typeof value === 'number') return String(value)
  if (Array.isArray(value)) return literal(`{${value.map((each) => JSON.stringify(each)).join(',')}}`)
  return `'${String(value).replaceAll("'", "''")}'`
}

/** A database for verbs that write. What is looked at counts, not what is committed with what: a transaction is the session itself. */
export function explainedDatabase(session: ExplainedSession): Database {
  return {
    ...sessionOf(session),
    snapshot: (work: (session: Session) => unknown) => work(session),
    transaction: (work: (tx: Tx) => unknown) => work(explainedTransaction(session)),
  } as unknown as Database
}

export function explainedTransaction(session: ExplainedSession): Tx {
  return {
    ...sessionOf(session),
    effects: { ready: [], runsWait: false, wakeAt: undefined, cancels: [], logged: [], begun: [], ended: [], skipped: [], head: 0 },
    cursors: async (count) => (await session.rows<{ drawn: number[] }>('SELECT "orrery_cursors"($1) AS drawn', [count]))[0]!.drawn,
    lane: () => 0,
  }
}

function sessionOf(session: ExplainedSession): Session {
  return { rows: session.rows.bind(session), rowsOnce: session.rowsOnce.bind(session), write: session.write.bind(session) }
}

export interface Filling {
  readonly jobs: number
  readonly runsEach: number
}

/** From here on, every second a job and every minute a run of each. */
export const BEGINNING = Date.UTC(2026, 0, 1)

export const jobNumbered = (number: number): string => `job_${String(number).padStart(8, '0')}`
export const runNumbered = (job: number, number: number): string => `run_${String(number).padStart(4, '0')}_${String(job).padStart(8, '0')}`

/**
 * Fills a database with jobs and finished runs of theirs, and one active run of every hundredth job, without any verb; then lets Postgres
 * count what is where. Every tenth job has the tag `tenth`, the last one `last`; every fiftieth run failed.
 */
export async function fill(url: string, { jobs, runsEach }: Filling): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const at = `'${instantText(BEGINNING)}'::timestamptz`
  const jobId = `'job_' || lpad(j::text, 8, '0')`
  await client.query(`
    INSERT INTO "Job" (id, name, "liveName", "searchText", tags, schedule, revision, target, "targetKind", handler, policies, version, "createdAt", "updatedAt")
      SELECT ${jobId}, 'name ' || j, 'name ' || j, 'name ' || j || CASE WHEN j % 1000 = 7 THEN ' needle' ELSE '' END, '[]', '{}', 1, '{}', 'handler',
        'h' || j % 10, '{}', 1, ${at} + j * interval '1 s', ${at} + j * interval '1 s' FROM generate_series(1, ${jobs}) j;
    INSERT INTO "JobTag" ("jobId", tag) SELECT ${jobId}, CASE WHEN j = ${jobs} THEN 'last' ELSE 'tenth' END FROM generate_series(1, ${jobs}) j
      WHERE j % 10 = 1 OR j = ${jobs};
    INSERT INTO "Run" (id, "jobId", trigger, status, occurrence, "scheduledFor", "dueAt", "queuedAt", "startedAt", "finishedAt", priority, attempt,
        "attemptStatus", "attemptStartedAt", "attemptsUsed", cursor, "changedAt")
      SELECT 'run_' || lpad(n::text, 4, '0') || '_' || lpad(j::text, 8, '0'), ${jobId}, 'SCHEDULE', s.status, i.at, i.at, i.at, i.at,
        CASE WHEN s.status <> 'QUEUED' THEN i.at END, CASE WHEN s.status <> 'QUEUED' THEN i.at + interval '1 s' END, 5, 1, 'SUCCEEDED', i.at, 1,
        n * ${jobs} + j, i.at
      FROM generate_series(1, ${runsEach}) n, generate_series(1, ${jobs}) j,
        LATERAL (SELECT ${at} + n * interval '1 min' + j * interval '1 ms' AS at) i,
        LATERAL (SELECT CASE WHEN n = ${runsEach} AND j % 100 = 0 THEN 'QUEUED' WHEN (n * ${jobs} + j) % 50 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END AS status) s;
    INSERT INTO "JobPosition" ("jobId", version, "plannedUntil", "wakeAt", "nextRunAt", "scheduledRuns", "activeRuns", "failuresInRow", completed,
        "lastRunId", "lastRunStatus", "lastRunAt")
      SELECT ${jobId}, 1, ${at}, ${at}, CASE WHEN j % 3 > 0 THEN ${at} + j * interval '1 s' END, 0, 0, 0, j % 20 = 0,
        'run_' || lpad('${runsEach}', 4, '0') || '_' || lpad(j::text, 8, '0'), 'SUCCEEDED', CASE WHEN j % 4 > 0 THEN ${at} + j * interval '1 s' END
      FROM generate_series(1, ${jobs}) j;
    INSERT INTO "Verdict" (id, "jobId", revision, verdict, "first", "last", count, reason)
      SELECT 'ver_' || n || '_' || j, ${jobId}, 1, 'SKIPPED', ${at} + n * interval '1 h', ${at} + n * interval '1 h' + interval '30 min', 30, 'r'
      FROM generate_series(1, ${runsEach}) n, generate_series(1, ${jobs}) j;
    INSERT INTO "LogLine" ("runId", seq, at, attempt, level, message) SELECT r.id, s, ${at}, 1, 'INFO', 'm'
      FROM (SELECT id FROM "Run" ORDER BY id LIMIT 500) r, generate_series(1, 50) s;
    INSERT INTO "JobEvent" (cursor, "jobId", change, at) SELECT 10 * j, ${jobId}, 'UPDATED', ${at} FROM generate_series(1, ${jobs}) j;
    SELECT setval('"streamCursor"', ${jobs * Math.max(10, runsEach + 1)});
  `)
  await client.query('VACUUM ANALYZE')
  await client.end()
}
