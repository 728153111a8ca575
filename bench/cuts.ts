// Does a client whose connection is cut all the time see the end of every run? Exit code 1 where it does not.

import { parseArgs } from 'node:util'
import { followThroughCuts } from '../test/support/chaos/cuts.ts'
import { temporaryDirectory } from '../test/support/temporary.ts'
import { type Line, progress, report, summarize } from './report.ts'

const HELP = `Clients of graphql-ws follow jobRuns, each with a filter of its own, while their connections are cut: from their own side, by a
network that resets or swallows them, in the middle of catching up, and by kill -9 of the product. They come back with the cursor of their
last event. Afterwards each is compared with the tables.

  --cuts N     of the client without a filter; the others are cut a fifth as often (default 1000)
  --runs N     at least so many (default 50000)
  --jobs N     that fire every second (default 500)
  --kills N    of the process, spread over the time (default 3)
  --seed N     repeats the draws of an earlier run (default: a new one, which is printed)
  --show N     problems printed at most (default 50)

expected   runs that have ended and that the filter wants, from the tables
repeats    events that told an end again: a run is read at delivery, so an older change may tell the newer state already`

const { values } = parseArgs({
  options: {
    cuts: { type: 'string', default: '1000' },
    runs: { type: 'string', default: '50000' },
    jobs: { type: 'string', default: '500' },
    kills: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    show: { type: 'string', default: '50' },
    help: { type: 'boolean' },
  },
})

async function main(): Promise<void> {
  const began = performance.now()
  const seed = Number(values.seed)
  progress(`seed ${seed}`)
  const { runs, kills, clients, problems } = await followThroughCuts({
    seed,
    cuts: Number(values.cuts),
    runs: Number(values.runs),
    jobs: Number(values.jobs),
    kills: Number(values.kills),
    directory: temporaryDirectory(),
    tell: progress,
  })
  const lines: Line[] = clients.map(({ filter, cuts, connections, events, repeats, expected }) => {
    const { jobIds, ...rest } = filter
    const told = JSON.stringify(jobIds === undefined ? rest : { ...rest, jobIds: jobIds.length })
    const figures = {
      cuts,
      connections,
      expected,
      events,
      repeats,
      runs,
      kills,
      seconds: (performance.now() - began) / 1_000,
      problems: problems.length,
    }
    return { setting: told, summary: summarize([figures]) }
  })
  report('cuts', 1, lines)
  for (const problem of problems.slice(0, Number(values.show))) console.log(problem)
  if (problems.length > 0) process.exitCode = 1
}

if (values.help) console.log(HELP)
else await main()
