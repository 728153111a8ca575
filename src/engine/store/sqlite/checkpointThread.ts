// Runs in a thread of its own: see checkpoints.ts.
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'

/** So few pages are left to the writer's own connection, which copies them in a millisecond or two. */
const FEW = 200
/** While pages are copied more are written; beyond so many passes the writer is faster than the disk. */
const MOST_PASSES = 5

const { file } = workerData as { readonly file: string }
const db = new Database(file, { timeout: 0 })
db.pragma('synchronous = FULL')
const copy = db.prepare<[], { log: number; checkpointed: number }>('PRAGMA wal_checkpoint(PASSIVE)')

parentPort!.on('message', (order: 'copy' | 'close') => {
  if (order === 'close') {
    db.close()
    parentPort!.close()
    return
  }
  try {
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      const { log, checkpointed } = copy.get()!
      if (log - checkpointed <= FEW) break
    }
  } catch {
    // A full disk is told by the commits that it keeps from being stored; the log goes on holding what was not copied.
  }
  parentPort!.postMessage('copied')
})
