// Watches executions over a WebSocket: `node examples/watch.ts [ws://127.0.0.1:4000/graphql]`. Goes on where it stopped after any cut.
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'

interface RunEvent {
  readonly cursor: string
  readonly run: {
    readonly id: string
    readonly status: string
    readonly scheduledFor: string
    readonly job: { readonly name: string } | null
  }
}

const url = process.argv[2] ?? 'ws://127.0.0.1:4000/graphql'
const query = 'subscription ($after: Cursor) { jobRuns(after: $after) { cursor run { id status scheduledFor job { name } } } }'

// A client repeats an interrupted subscription with its first variables, hence one subscription a connection and the cursor in our hands.
let after: string | null = null
for (;;) {
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 })
  const variables: Record<string, unknown> = { after }
  try {
    for await (const { data } of client.iterate<{ jobRuns: RunEvent }>({ query, variables })) {
      const { cursor, run } = data!.jobRuns
      console.log(run.scheduledFor, run.status.padEnd(9), run.job?.name ?? '(deleted)', run.id)
      after = cursor
    }
  } catch {
    console.error('cut off; trying again')
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}
