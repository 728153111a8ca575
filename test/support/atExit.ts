const cleanups: (() => void)[] = []

/** Runs when this process ends in any way but SIGKILL, the newest first. Synchronous: nothing is awaited any more by then. */
export function atExit(cleanup: () => void): void {
  if (cleanups.length === 0) {
    process.once('exit', () => {
      for (const each of cleanups.reverse()) each()
    })
    // The runner ends a file that takes too long by SIGTERM, which by itself would skip 'exit'.
    process.once('SIGTERM', () => process.exit(143))
    process.once('SIGINT', () => process.exit(130))
  }
  cleanups.push(cleanup)
}
