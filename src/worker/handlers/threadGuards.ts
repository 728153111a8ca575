import { Console } from 'node:console'
import { syncBuiltinESMExports } from 'node:module'
import { Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { format } from 'node:util'
import type { LogLevel } from '../../domain/run.ts'
import { failure, type TaskFailure, type ThreadTold } from './protocol.ts'
import { currentTask } from './threadTask.ts'
import { describeThrown, printable } from './thrown.ts'

// Keeps what handlers do by accident inside their thread, and tells whose doing it was. Not a sandbox: handlers are the operator's code.

const MAX_STRAY = 16 * 1024

/**
 * An error that nobody catches, and process.exit, end the thread: what its modules hold in memory cannot be trusted any more. Installed
 * before any handler is loaded.
 */
export function guardThread(tell: (told: ThreadTold) => void): void {
  const exit = process.exit.bind(process)
  const fault = (at: TaskFailure): never => {
    tell({ kind: 'fault', id: currentTask.getStore()?.id ?? null, failure: at })
    return exit(1)
  }
  process.on('uncaughtException', (error, origin) => {
    const thrown = describeThrown(error)
    const how =
      origin === 'unhandledRejection' ? 'a promise that nobody awaited was rejected' : 'an error was thrown where nobody catches it'
    fault({ ...thrown, code: 'HANDLER_CRASHED', message: `The handler broke its thread: ${how}: ${thrown.message}` })
  })
  process.exit = (code) => fault(failure('HANDLER_EXITED', `The handler called process.exit(${code ?? ''}).`, true))
  const kill = process.kill.bind(process)
  process.kill = (pid, signal) => {
    if (signal !== 0 && (pid === process.pid || pid === process.ppid || pid <= 0))
      throw new Error('a handler may not signal the processes of the server')
    return kill(pid, signal)
  }
  // For those who import { exit } from 'node:process'.
  syncBuiltinESMExports()
  takeConsole(tell)
}

/** What a handler writes to the console becomes log lines of its run; what belongs to no run goes to the server's log. */
function takeConsole(tell: (told: ThreadTold) => void): void {
  const emit = (level: LogLevel, text: string) => {
    const task = currentTask.getStore()
    if (task) task.log(level, text)
    else tell({ kind: 'stray', level, message: printable(text, MAX_STRAY) })
  }
  const at =
    (level: LogLevel) =>
    (...said: unknown[]) =>
      emit(level, format(...said))
  const own = new Console({ stdout: lineWriter('INFO', emit), stderr: lineWriter('WARN', emit) })
  globalThis.console = Object.assign(own, { debug: at('DEBUG'), log: at('INFO'), info: at('INFO'), warn: at('WARN'), error: at('ERROR') })
}

/** For console.table, console.group and the like. */
function lineWriter(level: LogLevel, emit: (level: LogLevel, text: string) => void): Writable {
  const decoder = new StringDecoder('utf8')
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of decoder.write(chunk).replace(/\n$/, '').split('\n')) emit(level, line)
      done()
    },
  })
}
