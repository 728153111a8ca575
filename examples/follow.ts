// Follows every execution for ever: `node examples/follow.ts [ws://127.0.0.1:4000/graphql] [follow.cursor]`
//
// It tells how each run ended, once. The cursor of the last one is kept in a file, so that neither a restart of the server nor one of
// this program loses any. The types of what comes are made from the schema: a field that is not there does not compile.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { initGraphQLTada, type ResultOf } from 'gql.tada'
import { print } from 'graphql'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import type { introspection } from './graphql-env.d.ts'

const graphql = initGraphQLTada<{
  introspection: introspection
  scalars: { Cursor: string; DateTime: string; Duration: string; JSON: unknown }
}>()

const FOLLOW = graphql(`
  subscription Follow($after: Cursor) {
    jobRuns(filter: { finalOnly: true }, after: $after, checkpoints: true) {
      cursor
      run { id status scheduledFor duration error { code message } job { name } }
    }
  }
`)
type Event = ResultOf<typeof FOLLOW>['jobRuns']

const [url = 'ws://127.0.0.1:4000/graphql', file = 'follow.cursor'] = process.argv.slice(2)
let cursor = existsSync(file) ? readFileSync(file, 'utf8') : null

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  retryAttempts: Number.POSITIVE_INFINITY,
  shouldRetry: () => true,
  retryWait: (retries) => sleep(Math.min(100 * 2 ** retries, 5_000)),
  // Finds out that the line is dead where nothing tells.
  keepAlive: 10_000,
})

// The client repeats its subscription after every cut; asked for anew each time, `after` then is the newest cursor.
const variables = {
  get after() {
    return cursor
  },
}

for (;;) {
  try {
    for await (const { data, errors } of client.iterate<{ jobRuns: Event }>({ query: print(FOLLOW), variables })) {
      if (errors) throw errors
      if (data) take(data.jobRuns)
    }
  } catch (errors) {
    await resumeFrom(errors)
  }
}

function take({ cursor: next, run }: Event): void {
  if (next === cursor) return
  // A checkpoint has no run: nothing that concerns us happened up to here.
  if (run) console.log(run.scheduledFor, run.status.padEnd(9), run.job?.name ?? '(deleted)', run.id, run.error?.message ?? '')
  // After the run has been dealt with, never before: killed in between, this program tells of it twice rather than not at all.
  writeFileSync(`${file}.new`, next)
  renameSync(`${file}.new`, file)
  cursor = next
}

/** The server refused. What is ours alone to mend, a mistake in the question, ends the program. */
async function resumeFrom(errors: unknown): Promise<void> {
  const { code, oldest } = (Array.isArray(errors) ? errors[0]?.extensions : null) ?? {}
  if (code === 'CURSOR_EXPIRED' || code === 'CURSOR_INVALID') {
    console.error(code === 'CURSOR_EXPIRED' ? 'Away for too long: some runs were missed.' : 'Another database: beginning anew.')
    cursor = typeof oldest === 'string' ? oldest : null
  } else if (code === 'UNAVAILABLE' || code === 'INTERNAL') await sleep(1_000)
  else throw errors
}
