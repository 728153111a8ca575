import Database from 'better-sqlite3'
import { Cluster, type ClusterOptions, type MemberRole } from '../test/support/cluster.ts'
import { postgresRows } from '../test/support/postgresRows.ts'
import { startPostgres } from '../test/support/postgresServer.ts'
import { startOrrery } from '../test/support/process.ts'
import { temporaryDirectory } from '../test/support/temporary.ts'

/** What a benchmark measures: the product as its user starts it, in one process on SQLite or in many on Postgres. */
export interface Product {
  /** Where its API answers. */
  readonly url: string
  /** Processor time in milliseconds and resident memory in bytes of all its processes together, Postgres left out. */
  usage(): Promise<{ readonly cpu: number; readonly rss: number }>
  /** Ends it in order. Its database can still be asked. */
  stop(): Promise<void>
  /** Rows of its database; instants come as milliseconds. `?` stands for a parameter, and names of columns are quoted. */
  rows<Row>(sql: string, ...values: readonly (string | number)[]): Promise<Row[]>
  /** Ends the database too. */
  close(): Promise<void>
}

export async function startOnSqlite(env: Readonly<Record<string, string>>): Promise<Product> {
  const directory = temporaryDirectory()
  const orrery = await startOrrery({ directory, env })
  return {
    url: orrery.url,
    usage: async () => orrery.usage(),
    stop: async () => void (await orrery.kill('SIGTERM')),
    async rows<Row>(sql: string, ...values: readonly (string | number)[]) {
      const db = new Database(`${directory}/orrery.db`, { readonly: true })
      try {
        return db.prepare(sql).all(...values) as Row[]
      } finally {
        db.close()
      }
    },
    close: async () => {},
  }
}

/** Processes on an embedded Postgres with its default durability. */
export async function startOnPostgres(
  members: Readonly<Record<MemberRole, number>>,
  env: Readonly<Record<string, string>>,
  envOf: ClusterOptions['envOf'] = {},
): Promise<Product & { readonly cluster: Cluster; readonly databaseUrl: string }> {
  const postgres = await startPostgres()
  const cluster = new Cluster({ databaseUrl: postgres.url, directory: temporaryDirectory(), members, env, envOf })
  await cluster.ready()
  return {
    cluster,
    databaseUrl: postgres.url,
    url: await cluster.url(),
    async usage() {
      const all = await Promise.all(cluster.members.map(async (member) => (await member.process).usage()))
      return { cpu: all.reduce((sum, { cpu }) => sum + cpu, 0), rss: all.reduce((sum, { rss }) => sum + rss, 0) }
    },
    stop: () => cluster.stop(),
    rows<Row>(sql: string, ...values: readonly (string | number)[]) {
      let n = 0
      return postgresRows<Row>(
        postgres.url,
        sql.replaceAll('?', () => `$${++n}`),
        values,
      )
    },
    close: () => postgres.remove(),
  }
}

/** Of each scheduler of a cluster, how many of its plans stood, and how many another process was quicker with. */
export async function plansOf(cluster: Cluster): Promise<readonly { readonly stood: number; readonly overtaken: number }[]> {
  return Promise.all(
    cluster.of('scheduler').map(async (member) => {
      const text = await (await fetch(`${(await member.process).origin}/metrics`)).text()
      const of = (result: string) =>
        Number(new RegExp(`^orrery_jobs_planned_total\\{result="${result}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
      return { stood: of('stood'), overtaken: of('overtaken') }
    }),
  )
}
