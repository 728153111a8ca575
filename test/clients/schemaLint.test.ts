import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import graphqlPlugin from '@graphql-eslint/eslint-plugin'
import { type ESLint, Linter } from 'eslint'
import { temporaryDirectory } from '../support/temporary.ts'

const RULES: Linter.RulesRecord = {
  '@graphql-eslint/naming-convention': [
    'error',
    {
      types: 'PascalCase',
      FieldDefinition: 'camelCase',
      InputValueDefinition: 'camelCase',
      Argument: 'camelCase',
      DirectiveDefinition: 'camelCase',
      EnumValueDefinition: 'UPPER_CASE',
    },
  ],
  '@graphql-eslint/require-description': [
    'error',
    {
      types: true,
      rootField: true,
      FieldDefinition: true,
      InputValueDefinition: true,
      EnumValueDefinition: true,
      DirectiveDefinition: true,
    },
  ],
  '@graphql-eslint/no-unreachable-types': 'error',
  '@graphql-eslint/require-deprecation-reason': 'error',
}

/** What graphql-eslint says of a schema: the rule and what is wrong. */
function lint(schema: string): string[] {
  const folder = temporaryDirectory()
  const file = join(folder, 'schema.graphql')
  writeFileSync(file, schema)
  const linter = new Linter({ configType: 'flat', cwd: folder })
  const plugin = graphqlPlugin as unknown as ESLint.Plugin & { readonly parser: Linter.Parser }
  const languageOptions = { parser: plugin.parser, parserOptions: { graphQLConfig: { schema: file } } }
  return linter
    .verify(schema, [{ files: ['**/*.graphql'], languageOptions, plugins: { '@graphql-eslint': plugin }, rules: RULES }], {
      filename: file,
    })
    .map(({ ruleId, line, message }) => `${ruleId}, line ${line}: ${message}`)
}

test("the schema keeps graphql-eslint's rules: names, descriptions, reachable types, reasons of deprecations", () => {
  assert.deepEqual(lint(readFileSync(join(import.meta.dirname, '../../schema.graphql'), 'utf8')), [])
})

test('each of these rules finds what is planted', () => {
  const problems = lint(`
"All."
type Query {
  "Bad." Bad_name: Int
  undescribed: Int
  "Old." old: Int @deprecated
}
"Nobody leads here."
type Lost { "A." a: Int }
`)
  for (const rule of Object.keys(RULES))
    assert.ok(
      problems.some((problem) => problem.startsWith(`${rule},`)),
      `${rule} in ${problems.join('\n')}`,
    )
})
