import { parentPort, workerData } from 'node:worker_threads'
import { claimTask, LINES_AHEAD, type ThreadData, type ThreadOrder, type ThreadTold } from './protocol.ts'
import { guardThread } from './threadGuards.ts'
import { ThreadTask } from './threadTask.ts'

// A thread of the host process: performs the tasks it is given, several at a time.

const { linesAhead } = workerData as ThreadData
const tasks = new Map<number, ThreadTask>()

/** A thread that logs faster than its lines are taken waits here, so that no memory fills up: not this one's, nor the server's. */
function waitForRoom(): void {
  for (let ahead = Atomics.load(linesAhead, 0); ahead >= LINES_AHEAD; ahead = Atomics.load(linesAhead, 0)) {
    Atomics.wait(linesAhead, 0, ahead, 1_000)
  }
}

function tell(told: ThreadTold): void {
  if (told.kind === 'log' || told.kind === 'stray') {
    waitForRoom()
    Atomics.add(linesAhead, 0, 1)
  }
  parentPort?.postMessage(told)
}

async function start(order: Extract<ThreadOrder, { kind: 'start' }>): Promise<void> {
  if (!claimTask(order.claim)) return
  const task = new ThreadTask(order.id, order.task, tell)
  tasks.set(order.id, task)
  await task.perform()
  tasks.delete(order.id)
}

guardThread(tell)

parentPort?.on('message', (order: ThreadOrder) => {
  switch (order.kind) {
    case 'start':
      void start(order)
      break
    case 'abort':
      tasks.get(order.id)?.abort(order.cause)
      break
    case 'ping':
      tell({ kind: 'pong' })
      break
  }
})

// Open for tasks.
tell({ kind: 'pong' })
