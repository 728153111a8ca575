import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils'
import type { DiffTarget, SchemaEngine } from '@prisma/schema-engine-wasm'

// Prisma's schema engine from the registry, in WebAssembly: it compares models, migrations and databases without the binary that the
// CLI downloads from elsewhere. Used when migrations are written and in tests; the server applies migrations without it.

export type { DiffTarget, SchemaEngine }

const NOTHING_EXTERNAL = { externalTables: [], externalEnums: [] }

interface Bindings {
  readonly SchemaEngine: { new: (options: { datamodels: [string, string][] }, log: () => void, adapter: object) => Promise<SchemaEngine> }
  readonly __wbg_set_wasm: (exports: object) => void
}

/** Node has it; its types leave it to the browser's. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: Record<string, object>) => { readonly exports: Readonly<Record<string, unknown>> }
}

let bindings: Promise<Bindings> | null = null

async function load(): Promise<Bindings> {
  // The package's main module imports the .wasm file as a module, which Node does not do without a flag.
  const glue = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg')
  const module = (await import(glue)) as Bindings
  const wasm = new WebAssembly.Module(readFileSync(glue.replace(/\.js$/, '.wasm')))
  const { exports } = new WebAssembly.Instance(wasm, { './schema_engine_bg.js': module })
  module.__wbg_set_wasm(exports)
  ;(exports.__wbindgen_start as () => void)()
  return module
}

/** The engine over a SQLite file. */
export function sqliteSchemaEngine(schema: string, url: string): Promise<SchemaEngine> {
  return engineOver(schema, new SingleQuoting({ url }))
}

/** The engine asks for a partial index by its name in double quotes, which this build of SQLite reads as a column. */
class SingleQuoting extends PrismaBetterSqlite3 {
  override async connect(): Promise<SqlDriverAdapter> {
    const adapter = await super.connect()
    const queryRaw = adapter.queryRaw.bind(adapter)
    adapter.queryRaw = (query) => queryRaw({ ...query, sql: query.sql.replace(/(type = 'index' AND name = )"([^"]*)"/, "$1'$2'") })
    return adapter
  }
}

/** The engine for Postgres without a server: it can compare models, nothing else. */
export function postgresSchemaEngine(schema: string): Promise<SchemaEngine> {
  const noServer: SqlMigrationAwareDriverAdapterFactory = {
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    connect: async () => disconnected,
    connectToShadowDb: async () => disconnected,
  }
  return engineOver(schema, noServer)
}

/** The SQL that leads from one state of a database to another; empty where there is nothing to do. */
export async function migrationSql(engine: SchemaEngine, from: DiffTarget, to: DiffTarget): Promise<string> {
  const { stdout } = await engine.diff({ from, to, script: true, exitCode: null, filters: NOTHING_EXTERNAL })
  const sql = stdout ?? ''
  return /^\s*(--[^\n]*\s*)*$/.test(sql) ? '' : sql
}

export function modelTarget(content: string): DiffTarget {
  return { tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content }] }
}

async function engineOver(schema: string, factory: SqlMigrationAwareDriverAdapterFactory): Promise<SchemaEngine> {
  bindings ??= load()
  const { SchemaEngine } = await bindings
  return SchemaEngine.new({ datamodels: [['schema.prisma', schema]] }, () => {}, bindMigrationAwareSqlAdapterFactory(factory))
}

/** Answers the engine's question whether the server and its schema are there, and knows nothing else. */
const disconnected: SqlDriverAdapter = {
  provider: 'postgres',
  adapterName: '@prisma/adapter-pg',
  getConnectionInfo: () => ({ schemaName: 'public', supportsRelationJoins: true }),
  queryRaw: async () => ({ columnNames: [], columnTypes: [], rows: [] }),
  executeRaw: async () => 0,
  executeScript: async () => {},
  startTransaction: () => Promise.reject(new Error('There is no Postgres server behind this comparison of models.')),
  dispose: async () => {},
}
