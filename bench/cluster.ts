// Does everything that was promised come true with many processes, whatever happens to them and their database? Exit code 1 where anything
// is not as it must be.
import { parseArgs } from 'node:util'
import { liveThroughClusterChaos } from '../test/support/chaos/clusterChaos.ts'
import { temporaryDirectory } from '../test/support/temporary.ts'
import { progress, report, summarize } from './report.ts'

const HELP = `API, scheduler and worker processes on one Postgres. Again and again one of them is killed (kill -9), frozen past its lease and thawed, or
Postgres is ended and started again, while jobs of all kinds fire and commands are given at random. Afterwards every instant that was
planned must have exactly one verdict, no run may have ended twice, every acknowledged command must stand, and clients that followed the
stream from server to server must have been told each end.

  --minutes N        how long (default 10)
  --jobs N           how many (default 2000)
  --blow-every S     seconds from one blow to the next (default 5)
  --lease S          ORRERY_LEASE (default 4)
  --members A,S,W    api, scheduler and worker processes (default 2,2,3)
  --interval S       longest interval of a job (default 120)
  --callers N        who give commands at random (default 4)
  --patience S       how long runs are given to end by themselves at the end; those left are cancelled (default 30)
  --seed N           repeats the draws of an earlier run (default: a new one, which is printed)
  --show N           problems printed at most (default 50)`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    jobs: { type: 'string', default: '2000' },
    'blow-every': { type: 'string', default: '5' },
    lease: { type: 'string', default: '4' },
    members: { type: 'string', default: '2,2,3' },
    interval: { type: 'string', default: '120' },
    callers: { type: 'string', default: '4' },
    patience: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    show: { type: 'string', default: '50' },
    help: { type: 'boolean' },
  },
})

async function main(): Promise<void> {
  const seconds = (option: 'blow-every' | 'lease' | 'interval' | 'patience') => Number(values[option]) * 1_000
  const [api, scheduler, worker] = values.members.split(',').map(Number)
  const seed = Number(values.seed)
  progress(`seed ${seed}`)
  const began = performance.now()
  const outcome = await liveThroughClusterChaos({
    seed,
    jobs: Number(values.jobs),
    members: { api: api!, scheduler: scheduler!, worker: worker! },
    span: Number(values.minutes) * 60_000,
    blowEvery: seconds('blow-every'),
    lease: seconds('lease'),
    patience: seconds('patience'),
    longestInterval: seconds('interval'),
    callers: Number(values.callers),
    rest: 500,
    directory: temporaryDirectory(),
    tell: progress,
  })
  const { ledger, word, acknowledged, blows, problems } = outcome
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
    runs: outcome.runs,
    'finished twice': outcome.finishedTwice,
    'late outcomes rejected': outcome.lateOutcomes,
    'attempts lost': outcome.attemptsLost,
    kills: blows.kill,
    freezes: blows.freeze,
    'database restarts': blows.database,
    'acknowledged runs': acknowledged.runs.size,
    'HTTP requests': outcome.requests,
    'stream events': outcome.events,
    'stream connections': outcome.connections,
    seconds: (performance.now() - began) / 1_000,
    problems: problems.length,
  }
  report('cluster', 1, [
    { setting: `${values.members} processes, ${values.jobs} jobs, ${values.minutes} min, seed ${seed}`, summary: summarize([figures]) },
  ])
  for (const problem of problems.slice(0, Number(values.show))) console.log(problem)
  if (problems.length > 0) process.exitCode = 1
}

if (values.help) console.log(HELP)
else await main()
