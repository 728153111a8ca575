// `npm run bench -- NAME`: runs one benchmark in a process of its own. Benchmarks are for people: no test looks at their figures.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const BENCHMARKS: Readonly<Record<string, string>> = {
  firing: 'how late thousands of recurring jobs fire',
  throughput: 'runs a second: planned, begun and ended durably',
  api: 'requests a second: list, get one, create',
  occurrences: 'finding and counting the instants of schedules',
  history: 'pages, filters, searches and figures over a million runs',
  fanout: 'one change to thousands of subscribers, beside bare ws and Yoga',
  slowreader: 'a subscriber that stops reading: memory, the others, what it gets later',
  engine: 'the verbs of the store by themselves',
  cuts: 'whether clients whose connections are cut all the time miss anything',
  workers: 'runs a second of 1 to 3 worker processes on Postgres, beside bare queues',
  failover: 'what the death of a worker or a scheduler costs',
  users: 'ten thousand sockets, a hundred requests a second and ten thousand jobs a minute on one machine',
  cluster: 'whether all comes true with many processes that die, freeze and lose their database',
  soak: 'whether all that was promised comes true: jobs of all kinds, kills, commands at random',
}

const HELP = `Measures. Each prints a table and a line of JSON.

${Object.entries(BENCHMARKS)
  .map(([name, what]) => `  npm run bench -- ${name.padEnd(12)} ${what}`)
  .join('\n')}

Options follow the name; "npm run bench -- NAME --help" tells them. What the figures mean stands in bench/README.md.`

const [name, ...options] = process.argv.slice(2)
if (name === undefined || name === '--help' || name === '-h') {
  console.log(HELP)
} else {
  const file = join(import.meta.dirname, `${name}.ts`)
  if (!(name in BENCHMARKS) || !existsSync(file)) {
    console.error(`There is no benchmark "${name}"; there are: ${Object.keys(BENCHMARKS).join(', ')}.`)
    process.exitCode = 2
  } else {
    const child = spawn(process.execPath, [file, ...options], { stdio: 'inherit' })
    process.once('SIGINT', () => child.kill('SIGINT'))
    process.once('SIGTERM', () => child.kill('SIGTERM'))
    child.once('exit', (code) => {
      process.exitCode = code ?? 1
    })
  }
}
