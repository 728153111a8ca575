import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { atExit } from '../support/atExit.ts'
import { streamPosition } from '../support/jobs.ts'
import { Recorder } from '../support/recorder.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { startRestarting } from './restarting.ts'

const program = join(import.meta.dirname, '../../examples/follow.ts')

test('examples/follow.ts tells of the end of every run once, whether the server or itself is killed', async () => {
  await using server = await startRestarting()
  const lines = new Recorder<string>()
  const file = join(temporaryDirectory(), 'follow.cursor')
  const follow = (): ChildProcess => {
    const child = spawn(process.execPath, [program, server.url.replace(/^http/, 'ws'), file], { stdio: ['ignore', 'pipe', 'inherit'] })
    atExit(() => child.kill('SIGKILL'))
    createInterface({ input: child.stdout! }).on('line', (line) => lines.add(line))
    return child
  }
  const ended = (run: string) => lines.first(`the end of ${run}`, (line) => line.includes(run))

  let child = follow()
  // It begins with what happens once it listens: until then runs are made for nothing.
  const early: string[] = []
  while (lines.all.length === 0) early.push(await server.trigger())
  await ended(early.at(-1)!)

  const runs: string[] = []
  const trigger = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) runs.push(await server.trigger())
  }
  for (let round = 0; round < 3; round++) {
    await trigger(10)
    await server.stop('SIGKILL')
    await server.start()
    await trigger(10)
  }
  await ended(runs.at(-1)!)
  // It prints first and remembers then: killed in between, it would rightly print once more.
  const position = await streamPosition(server.url)
  while (readFileSync(file, 'utf8') !== position) await sleep(5)
  const gone = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await gone
  await trigger(10)
  child = follow()
  await lines.until('the end of every run', (all) => runs.every((run) => all.some((line) => line.includes(run))))
  await trigger(1)
  await ended(runs.at(-1)!)
  child.kill('SIGKILL')

  for (const run of runs) assert.equal(lines.all.filter((line) => line.includes(run)).length, 1, run)
  assert.match(lines.all.at(-1)!, /^\d{4}-\d\d-\d\dT\S+ SUCCEEDED followed run_\S+/)
})
