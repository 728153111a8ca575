import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** A process that is still there. */
export interface Leftover {
  readonly pid: number
  readonly command: string
}

const GRACE = 3_000

/** Processes whose environment holds `name=value`, this one left out. Linux only: elsewhere the list is empty. */
export function markedProcesses(name: string, value: string): Leftover[] {
  if (process.platform !== 'linux') return []
  const found: Leftover[] = []
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${name}=${value}`)) continue
      found.push({ pid, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim() })
    } catch {
      // It ended while we looked, or is somebody else's.
    }
  }
  return found
}

/** Gives marked processes a few seconds to end, kills those that did not, and answers which they were. */
export async function reap(name: string, value: string, grace = GRACE): Promise<Leftover[]> {
  const deadline = Date.now() + grace
  let left = markedProcesses(name, value)
  while (left.length > 0 && Date.now() < deadline) {
    await delay(50)
    left = markedProcesses(name, value)
  }
  for (const { pid } of left) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended in between.
    }
  }
  return left
}
