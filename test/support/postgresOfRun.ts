import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

// The runner and the files it runs are processes of their own. The runner starts a Postgres server when the first file asks for one, at
// an address that every file finds in its environment.

/** A server with a migrated database from which those of the tests are copied. */
export interface ServerOfRun {
  /** Of a database for administration, by a role that may create others. */
  readonly url: string
  /** The name of that migrated database, and the beginning of the names of all others. */
  readonly template: string
  /** Of CREATE DATABASE. A copy of the files is twice as fast as one through the log where the server does not flush. */
  readonly strategy: string
}

const ADDRESS = 'TEST_POSTGRES_OF_RUN'

/** Asks the runner for the server. Null where there is no runner. */
export async function askServerOfRun(): Promise<ServerOfRun | null> {
  const address = process.env[ADDRESS]
  if (address === undefined) return null
  const answer = await fetch(address)
  if (!answer.ok) throw new Error(`The Postgres server of this run did not start: ${await answer.text()}`)
  return (await answer.json()) as ServerOfRun
}

/** Lets files ask this process for a server, which is started with the first question. Answers how to end both. */
export async function offerServerOfRun(start: () => Promise<ServerOfRun & { close(): Promise<void> }>): Promise<() => Promise<void>> {
  let server: ReturnType<typeof start> | undefined
  const http = createServer(async (_, response) => {
    try {
      server ??= start()
      const { url, template, strategy } = await server
      response.end(JSON.stringify({ url, template, strategy }))
    } catch (error) {
      response.writeHead(503).end(error instanceof Error ? error.stack : String(error))
    }
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  process.env[ADDRESS] = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`
  return async () => {
    http.close()
    http.closeAllConnections()
    await (await server?.catch(() => undefined))?.close()
  }
}
