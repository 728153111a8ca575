import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Stands between a client and the product, and ends their connections as a failing network does. */
export class CuttingProxy {
  readonly #target: () => Promise<string>
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  readonly #server = createServer((client) => void this.#join(client))

  /** `target`: the URL of the product as it stands. */
  constructor(target: () => Promise<string>) {
    this.#target = target
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.#server.unref()
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/graphql`
  }

  /** Resets all connections, on both sides at once. Answers how many there were. */
  cut(): number {
    const cut = this.#pairs.size
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy()
    return cut
  }

  /** Lets nothing through any more, as a network that is gone does; both sides go on sending into the void. Cut later. */
  stall(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
  }

  close(): void {
    this.#server.close()
    this.cut()
  }

  async #join(client: Socket): Promise<void> {
    client.on('error', () => {})
    const { port } = new URL(await this.#target())
    if (client.destroyed) return
    const product = connect(Number(port), '127.0.0.1')
    const pair = [client, product] as const
    this.#pairs.add(pair)
    for (const [from, to] of [pair, [product, client] as const]) {
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#pairs.delete(pair)
        to.destroy()
      })
      from.pipe(to)
      from.unref()
    }
  }
}
