import { readdirSync, readFileSync } from 'node:fs'

interface ProcessState {
  readonly parent: number
  readonly zombie: boolean
}

/** The children of a process, theirs, and so on, as Linux lists them. Empty elsewhere. */
export function descendants(pid: number): number[] {
  if (process.platform !== 'linux') return []
  const children = new Map<number, number[]>()
  for (const entry of readdirSync('/proc')) {
    const parent = /^\d+$/.test(entry) ? stateOf(Number(entry))?.parent : undefined
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(entry)])
  }
  const below = (parent: number): number[] => (children.get(parent) ?? []).flatMap((child) => [child, ...below(child)])
  return below(pid)
}

/** Whether a process runs or could: a zombie, for which only nobody waits, does not. */
export function isRunning(pid: number): boolean {
  if (process.platform === 'linux') return stateOf(pid)?.zombie === false
  return signal(pid, 0)
}

/** Sends a signal; whether there was somebody to take it. */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}

function stateOf(pid: number): ProcessState | undefined {
  try {
    // The name of the program, in parentheses, may hold anything.
    const [state, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
    return { parent: Number(parent), zombie: state === 'Z' || state === 'X' }
  } catch {
    return undefined
  }
}
