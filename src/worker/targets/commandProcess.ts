import type { ChildProcess } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'

/** From TERM to KILL. */
const GRACE = 5_000
const LOOK_EVERY = 50

/** Groups of commands under way: they do not outlive this process where it can still say so. */
const groups = new Set<number>()

process.on('exit', () => {
  for (const group of groups) signalGroup(group, 'SIGKILL')
})

/** Remembers a command, which leads a process group of its own, until it has ended. */
export function watchGroup(child: ChildProcess): void {
  const { pid } = child
  if (pid === undefined) return
  groups.add(pid)
  child.once('exit', () => groups.delete(pid))
}

/** Ends a command with all it started: TERM, then KILL after 5 s to what is left. Resolves when nothing is left or KILL was sent. */
export async function endGroup(child: ChildProcess): Promise<void> {
  const { pid } = child
  if (pid === undefined) return
  // Until the last of its members is gone nobody else gets this number, so the signals below can reach nobody else.
  if (!signalGroup(pid, 'SIGTERM')) return
  for (let waited = 0; waited < GRACE; waited += LOOK_EVERY) {
    await delay(LOOK_EVERY)
    if (!signalGroup(pid, 0)) return
  }
  signalGroup(pid, 'SIGKILL')
}

/** False where the group is gone. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    // Windows has no process groups: there the command alone is ended.
    process.kill(process.platform === 'win32' ? group : -group, signal)
    return true
  } catch {
    return false
  }
}
