import { HandlerPool } from './pool.ts'
import type { Order, Told } from './protocol.ts'

// The host process of own handlers. Between the server and their threads, because a thread cannot be trusted to leave its process alive:
// V8 ends the process where a thread's memory runs out at the wrong moment, and it cannot interrupt every loop. Here that ends handlers only.

/** How long the last words may take to reach the server. */
const LAST_WORDS = 200

function die(): void {
  // Not process.exit, which waits for threads; one of them may never end.
  process.kill(process.pid, 'SIGKILL')
}

function tell(told: Told, taken?: () => void): void {
  if (process.connected) process.send?.(told, undefined, undefined, () => taken?.())
  else taken?.()
}

const pool: HandlerPool = new HandlerPool({
  threads: Number(process.argv[2]),
  tell,
  unending() {
    pool.interruptAll()
    setTimeout(die, LAST_WORDS)
  },
})

process.on('message', (order: Order) => pool.order(order))
// The server is gone: nobody wants an answer.
process.on('disconnect', die)
// They come to the whole group of a terminal or a service; when this process ends is for the server to say.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
