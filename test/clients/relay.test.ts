import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openApi } from '../api/api.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** Its program, which comes in the package for every system that it is made for. */
const compiler = createRequire(import.meta.url)('relay-compiler') as string
const root = join(import.meta.dirname, '../..')

/** A component of an application: its own part of a job with a list that it loads more of, and the page that shows many of them. */
const COMPONENTS = `
import { graphql } from 'relay-runtime'
graphql\`
  fragment Components_job on Job
    @refetchable(queryName: "ComponentsJobPaginationQuery")
    @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" }) {
    name
    schedule { description ... on CronSchedule { expression timezone } }
    runs(first: $count, after: $cursor) @connection(key: "Components_runs") {
      edges { node { id status job { name } } }
    }
  }
\`
graphql\`
  query ComponentsJobsQuery($count: Int!, $cursor: String) {
    jobs(first: $count, after: $cursor) @connection(key: "ComponentsJobsQuery_jobs") {
      edges { node { id ...Components_job } }
    }
  }
\`
`

/** Compiles sources against the schema. Answers the operations as they would be sent, by name. */
async function compile(source: string): Promise<Map<string, string>> {
  const folder = temporaryDirectory()
  for (const name of ['src', 'artifacts']) mkdirSync(join(folder, name))
  copyFileSync(join(root, 'schema.graphql'), join(folder, 'schema.graphql'))
  writeFileSync(join(folder, 'src/Components.ts'), source)
  const config = { src: 'src', schema: 'schema.graphql', language: 'typescript', artifactDirectory: 'artifacts' }
  writeFileSync(join(folder, 'relay.config.json'), JSON.stringify(config))
  await promisify(execFile)(compiler, ['relay.config.json'], { cwd: folder })
  return new Map(
    readdirSync(join(folder, 'artifacts')).flatMap((file) => {
      const text = /"text": ("(?:[^"\\]|\\.)*")/.exec(readFileSync(join(folder, 'artifacts', file), 'utf8'))?.[1]
      return text === undefined ? [] : [[file.replace('.graphql.ts', ''), JSON.parse(text) as string]]
    }),
  )
}

test('relay-compiler compiles @connection and @refetchable, and what it makes of them is answered', async (t) => {
  const api = await openApi(t)
  const { createJob } = await api.get(
    'mutation { createJob(input: { name: "a", schedule: { cron: { expression: "0 9 * * *" } } }) { job { id } } }',
  )
  await api.get('mutation ($id: ID!) { triggerJob(input: { id: $id }) { run { id } } }', { id: createJob.job.id })
  const operations = await compile(COMPONENTS)
  assert.deepEqual([...operations.keys()].sort(), ['ComponentsJobPaginationQuery', 'ComponentsJobsQuery'])

  const { jobs } = await api.get(operations.get('ComponentsJobsQuery')!, { count: 10 })
  const [{ node }] = jobs.edges
  assert.deepEqual([node.name, node.schedule.expression, node.runs.edges[0].node.job.name], ['a', '0 9 * * *', 'a'])
  assert.equal(jobs.pageInfo.endCursor, jobs.edges[0].cursor)
  const more = await api.get(operations.get('ComponentsJobPaginationQuery')!, {
    id: node.id,
    count: 5,
    cursor: node.runs.pageInfo.endCursor,
  })
  assert.deepEqual(more.node.runs.edges, [])
})

test('and refuses a connection that is none', async () => {
  await assert.rejects(
    compile(
      'import { graphql } from "relay-runtime"; graphql`query ComponentsQuery { system @connection(key: "ComponentsQuery_system") { now } }`',
    ),
    /@connection/,
  )
})
