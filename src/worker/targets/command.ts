import { type ChildProcess, type SpawnOptionsWithoutStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { toIso } from '../../domain/instant.ts'
import type { CommandTarget } from '../../domain/job.ts'
import type { Outcome } from '../../domain/run.ts'
import type { Performer, RunContext } from '../runContext.ts'
import type { AllowedCommands } from './commandList.ts'
import { tellLines } from './commandOutput.ts'
import { endGroup, watchGroup } from './commandProcess.ts'
import { CANCELLED, failed, messageOf, succeeded } from './outcomes.ts'

/** What still comes after a command has ended, from processes that it left behind, is waited for so long. */
const LAST_OUTPUT = 2_000
const LAST_OUTPUT_ABORTED = 500
/** How much of the last line on standard error a failure's message repeats. */
const QUOTED = 300

const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Errors of starting a command after which another attempt would end alike. */
const START_FAILURES: Readonly<Record<string, readonly [string, string]>> = {
  ENOENT: ['COMMAND_NOT_FOUND', 'does not exist, or the interpreter that its first line names does not'],
  ENOTDIR: ['COMMAND_NOT_FOUND', 'does not exist'],
  EACCES: ['COMMAND_NOT_EXECUTABLE', 'may not be executed by the user that the server runs as'],
  EPERM: ['COMMAND_NOT_EXECUTABLE', 'may not be executed by the user that the server runs as'],
  ENOEXEC: ['COMMAND_NOT_EXECUTABLE', 'is no program that this system can execute'],
  E2BIG: ['COMMAND_TOO_LONG', 'was given more arguments than the system takes'],
  ERR_INVALID_ARG_VALUE: ['COMMAND_INVALID', 'was given an argument that no process can get'],
}

/** Performs command targets: a process of its own group without a shell, payload on standard input, output lines as log lines. */
export function createCommandPerformer(allowed: AllowedCommands): Performer<CommandTarget> {
  return {
    async perform(target, context) {
      const found = await allowed.find(target.executable)
      if ('refusal' in found) return failed({ code: 'COMMAND_NOT_ALLOWED', message: found.refusal, retryable: false })
      if (context.signal.aborted) return CANCELLED
      try {
        return await runCommand(spawn(found.path, target.args, spawnOptions(target, context)), target, context)
      } catch (error) {
        return startFailure(target, error)
      }
    },
  }
}

function spawnOptions({ executable }: CommandTarget, context: RunContext): SpawnOptionsWithoutStdio & { argv0: string } {
  const { attempt } = context
  return {
    argv0: executable,
    cwd: homeOrTemporary(),
    detached: true,
    shell: false,
    // None of the server's own environment: it holds secrets.
    env: {
      PATH: SEARCH_PATH,
      HOME: homedir(),
      LANG: 'C.UTF-8',
      ORRERY_RUN_ID: attempt.runId,
      ORRERY_ATTEMPT: String(attempt.attempt),
      ORRERY_SCHEDULED_FOR: toIso(attempt.scheduledFor),
      ORRERY_JOB: attempt.jobName,
    },
  }
}

/** Rejects where the command cannot be started. */
async function runCommand(child: ChildProcess, target: CommandTarget, context: RunContext): Promise<Outcome> {
  const { stdin, stdout, stderr } = child
  if (stdin === null || stdout === null || stderr === null) throw new Error('a command was started without its pipes')
  watchGroup(child)
  const exit = exitOf(child, context.signal)
  // A command need not read its input, and may close it.
  stdin.on('error', () => {})
  stdin.end(context.attempt.payload ?? '')
  let lastError = ''
  const told = Promise.all([
    tellLines(stdout, (line) => context.log('INFO', line)),
    tellLines(stderr, (line) => {
      if (line.trim() !== '') lastError = line
      context.log('WARN', line)
    }),
  ])
  const { exitCode, signal } = await exit
  await Promise.race([told, delay(context.signal.aborted ? LAST_OUTPUT_ABORTED : LAST_OUTPUT, null, { ref: false })])
  stdout.destroy()
  stderr.destroy()
  await told
  const output = JSON.stringify({ exitCode, signal })
  if (exitCode === 0) return succeeded(output)
  if (context.signal.aborted) return CANCELLED
  const how = signal === null ? `exited with code ${exitCode}` : `was ended by ${signal}`
  const said = lastError === '' ? '.' : `: ${lastError.slice(0, QUOTED)}`
  return failed({ code: 'COMMAND_FAILED', message: `${target.executable} ${how}${said}`, retryable: true, output })
}

interface Exit {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
}

/** How the command itself ended. After an abort it is ended, with all it started, before this resolves. */
async function exitOf(child: ChildProcess, abort: AbortSignal): Promise<Exit> {
  let ending: Promise<void> | null = null
  const end = () => {
    ending = endGroup(child)
  }
  abort.addEventListener('abort', end, { once: true })
  try {
    const [exitCode, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return { exitCode, signal }
  } finally {
    abort.removeEventListener('abort', end)
    await ending
  }
}

function startFailure({ executable }: CommandTarget, error: unknown): Outcome {
  const [code, meaning] = START_FAILURES[String((error as { code?: unknown }).code)] ?? []
  return code === undefined
    ? failed({ code: 'COMMAND_NOT_STARTED', message: `${executable} could not be started: ${messageOf(error)}`, retryable: true })
    : failed({ code, message: `${executable} ${meaning}.`, retryable: false })
}

function homeOrTemporary(): string {
  try {
    accessSync(homedir())
    return homedir()
  } catch {
    return tmpdir()
  }
}
