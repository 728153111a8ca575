// Writes or checks `graphql-env.d.ts`, the schema as types for gql.tada: node examples/writeTypes.ts --write | --check
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { minifyIntrospection, outputIntrospectionFile } from '@gql.tada/internal'
import { buildSchema, introspectionFromSchema } from 'graphql'

const FILE = join(import.meta.dirname, 'graphql-env.d.ts')
const SCHEMA = join(import.meta.dirname, '../schema.graphql')

const schema = introspectionFromSchema(buildSchema(readFileSync(SCHEMA, 'utf8')), { descriptions: false, oneOf: true })
const text = outputIntrospectionFile(minifyIntrospection(schema), { fileType: '.d.ts', shouldPreprocess: true })

if (process.argv[2] === '--write') writeFileSync(FILE, text)
else if (readFileSync(FILE, 'utf8') !== text) {
  console.error('examples/graphql-env.d.ts is not of schema.graphql (npm run schema writes it).')
  process.exitCode = 1
}
