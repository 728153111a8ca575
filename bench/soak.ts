// Does everything that was promised come true, whatever happens? The product as its user starts it is killed again and again while jobs of
// all kinds fire and commands are given at random; or its parts live through an hour of virtual time. Exit code 1 where anything is not
// as it must be.

import { parseArgs } from 'node:util'
import { liveThroughChaos } from '../test/support/chaos/chaos.ts'
import { liveThrough } from '../test/support/chaos/virtualTime.ts'
import { temporaryDirectory } from '../test/support/temporary.ts'
import { type Figures, progress, report, summarize } from './report.ts'

const HELP = `Jobs of all kinds, commands at random, targets that are slow and fail, and a process that is killed again and again. Afterwards every
instant that was planned must have exactly one verdict, every acknowledged command must stand, every run must have its end, and a client
that followed the stream through all of it must have been told each.

  --minutes N        how long (default 10; with --virtual 60)
  --jobs N           how many (default 1000)
  --kill-every S     seconds from one kill to the next; every fourth is an orderly stop (default 20)
  --patience S       how long runs are given to end by themselves at the end; those left are cancelled (default 30)
  --seed N           repeats the draws of an earlier run (default: a new one, which is printed)
  --virtual          engine, commands and scheduler in this process under a clock moved by hand, reopened now and then
  --show N           problems printed at most (default 50)`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    jobs: { type: 'string', default: '1000' },
    'kill-every': { type: 'string', default: '20' },
    patience: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    virtual: { type: 'boolean', default: false },
    show: { type: 'string', default: '50' },
    help: { type: 'boolean' },
  },
})

interface Proof {
  readonly setting: string
  readonly figures: Figures
  readonly problems: readonly string[]
}

async function inRealTime(seed: number, jobs: number, minutes: number): Promise<Proof> {
  const began = performance.now()
  const { ledger, word, acknowledged, starts, ...counts } = await liveThroughChaos({
    seed,
    jobs,
    span: minutes * 60_000,
    killEvery: Number(values['kill-every']) * 1_000,
    patience: Number(values.patience) * 1_000,
    directory: temporaryDirectory(),
    tell: progress,
  })
  progress(`answers: ${JSON.stringify(acknowledged.answers)}`)
  progress(`verdicts: ${JSON.stringify(ledger.verdicts)}`)
  const figures = {
    'planned instants': ledger.planned,
    missing: ledger.missing,
    duplicated: ledger.duplicated,
    'audited jobs': word.jobs,
    'audit planned': word.audit.planned,
    'audit missing': word.audit.missing,
    'audit duplicated': word.audit.duplicated,
    runs: counts.runs,
    'rows that are no runs': word.otherVerdicts,
    'acknowledged runs': acknowledged.runs.size,
    kills: counts.kills,
    stops: counts.stops,
    'slowest start ms': Math.max(...starts),
    'HTTP requests': counts.requests,
    'stream events': counts.events,
    seconds: (performance.now() - began) / 1_000,
    problems: counts.problems.length,
  }
  return { setting: `${jobs} jobs, ${minutes} min`, figures, problems: counts.problems }
}

async function inVirtualTime(seed: number, jobs: number, minutes: number): Promise<Proof> {
  const began = performance.now()
  const { ledger, audited, commands, attempts, openings, refused, problems } = await liveThrough({
    seed,
    jobs,
    // In the second half of the first hour the clocks of Berlin are put back.
    from: Date.UTC(2026, 9, 25, 0, 30),
    span: minutes * 60_000,
    step: 250,
    commandsPerSecond: jobs / 100,
    directory: temporaryDirectory(),
    longestInterval: 30_000,
    tell: progress,
  })
  progress(`refused: ${JSON.stringify(refused)}`)
  progress(`verdicts: ${JSON.stringify(ledger.verdicts)}`)
  const figures = {
    'planned instants': ledger.planned,
    missing: ledger.missing,
    duplicated: ledger.duplicated,
    'audited jobs': audited.jobs,
    'audit planned': audited.planned,
    runs: ledger.runs,
    'verdict rows': ledger.rows,
    attempts,
    commands,
    openings,
    seconds: (performance.now() - began) / 1_000,
    problems: problems.length,
  }
  return { setting: `${jobs} jobs, ${minutes} virtual min`, figures, problems }
}

if (values.help) console.log(HELP)
else {
  const { virtual } = values
  const seed = Number(values.seed)
  progress(`seed ${seed}`)
  const prove = virtual ? inVirtualTime : inRealTime
  const { setting, figures, problems } = await prove(seed, Number(values.jobs), Number(values.minutes ?? (virtual ? 60 : 10)))
  report('soak', 1, [{ setting: `${setting}, seed ${seed}`, summary: summarize([figures]) }])
  for (const problem of problems.slice(0, Number(values.show))) console.log(problem)
  if (problems.length > 0) process.exitCode = 1
}
