// Stamps the Postgres twin of schema.prisma and generates both typed clients. Plain JavaScript: npm runs `prepare` also where
// only an older Node is on the PATH.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const source = join(root, 'prisma/schema.prisma')
const twin = join(root, 'src/generated/schema.postgresql.prisma')

/** The same model for Postgres: another provider, instants with milliseconds and zone, no Pothos types of its own. */
export function stampPostgres(schema) {
  return schema
    .replace('provider = "sqlite"', 'provider = "postgresql"')
    .replace('"../src/generated/sqlite"', '"./postgresql"')
    .replace(/generator pothos \{[^}]*\}\n\n/, '')
    .replace(/^(\s+\w+\s+DateTime\??)/gm, '$1 @db.Timestamptz(3)')
}

// The CLI looks for a schema-engine binary that is not in the registry, and does not need it to generate: any executable will do.
const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' }

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(dirname(twin), { recursive: true })
  writeFileSync(twin, stampPostgres(readFileSync(source, 'utf8')))
  const cli = join(dirname(createRequire(import.meta.url).resolve('prisma/package.json')), 'build/index.js')
  for (const schema of [source, twin])
    execFileSync(process.execPath, [cli, 'generate', '--no-hints', '--schema', schema], {
      cwd: root,
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
}
