import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

// Below those that systems give to outgoing connections: such a port could be taken by one between its choice and its use.
const FROM = 10_000
const TO = 32_768

/** A port of 127.0.0.1 on which nobody listens. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = randomInt(FROM, TO)
    if (await isFree(port)) return port
  }
  throw new Error(`No port between ${FROM} and ${TO} is free on 127.0.0.1.`)
}

export function isFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
