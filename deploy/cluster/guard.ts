import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

// A process that is killed cannot tidy up after itself. What it started is therefore watched over by a shell that reads from a pipe to
// it: the pipe ends with the process, however that ends, and then the shell ends what was started and removes its folder. The shell is
// in a session of its own, so that what a terminal sends to the whole group does not reach it.

export interface Guard {
  /** Says which process is to be ended when this one ends; null where none runs. */
  watch(pid: number | null): void
  /** Lets go: ends and removes nothing any more. */
  dismiss(): void
}

export interface GuardOptions {
  /** By which the watched process is asked to end. */
  readonly signal: 'TERM' | 'INT' | 'QUIT'
  /** After this many seconds it is killed. */
  readonly patience: number
  /** Removed when the process is gone. */
  readonly folder?: string
}

// A zombie is gone too: in a container nobody may wait for those whose parent has died.
const SCRIPT = `
trap '' INT TERM HUP
pid=
while read -r line; do
  [ "$line" = dismissed ] && exit 0
  pid=$line
done
running() { kill -0 "$pid" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null; }
if [ -n "$pid" ]; then
  kill -CONT "$pid" 2>/dev/null
  kill -"$1" "$pid" 2>/dev/null
  left=$(($2 * 20))
  while running && [ "$left" -gt 0 ]; do sleep 0.05; left=$((left - 1)); done
  running && kill -KILL "$pid" 2>/dev/null
fi
[ -z "$3" ] || rm -rf -- "$3" || { sleep 0.5; rm -rf -- "$3"; }
`

const NOTHING: Guard = { watch() {}, dismiss() {} }

/** Starts the watch. Does nothing on Windows, which has no such shell. */
export function startGuard({ signal, patience, folder = '' }: GuardOptions): Guard {
  if (process.platform === 'win32') return NOTHING
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'orrery-guard', signal, String(patience), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  })
  return { watch: (pid) => say(shell, pid === null ? '' : String(pid)), dismiss: () => say(shell, 'dismissed') }
}

function say(shell: ChildProcess, line: string): void {
  const pipe = shell.stdin as Socket
  if (pipe.listenerCount('error') === 0) {
    // Somebody ended the shell: what it would have done is lost, the program goes on.
    pipe.on('error', () => {})
    shell.on('error', () => {})
    shell.unref()
    pipe.unref()
  }
  pipe.write(`${line}\n`)
}
