import assert from 'node:assert/strict'
import { execFile, spawn, spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { buildSchema, parse, validate } from 'graphql'
import { VARIABLES } from '../../src/configVariables.ts'
import { ask } from '../support/graphqlClient.ts'
import { createJob, triggerJob } from '../support/jobs.ts'
import { type Orrery, startOrrery } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

// What the documents say is tried: every operation against the schema and the server, every command in a shell.

const root = join(import.meta.dirname, '../..')
const documents = ['README.md', 'CHANGELOG.md', ...globSync(['docs/*.md', 'bench/*.md', 'examples/**/*.md'], { cwd: root })]
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const noCurl = spawnSync('curl', ['--version']).error === undefined ? false : 'there is no curl'

/** The fenced blocks of a language, each with where it stands. */
function blocks(path: string, language: string): { where: string; text: string }[] {
  const text = read(path)
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map((match) => ({
    where: `${path}:${text.slice(0, match.index).split('\n').length}`,
    text: match[1]!,
  }))
}

const operations = [
  ...documents.flatMap((path) => blocks(path, 'graphql')).filter(({ text }) => /^\s*(query|mutation|subscription|\{)/.test(text)),
  ...globSync('examples/graphql/*.graphql', { cwd: root }).map((path) => ({ where: path, text: read(path) })),
]

test('every operation in the documents and examples fits the schema', () => {
  const schema = buildSchema(read('schema.graphql'))
  assert.ok(operations.length >= 8)
  for (const { where, text } of operations) assert.deepEqual(validate(schema, parse(text)).map(String), [], where)
})

test('every link between the documents leads somewhere', () => {
  for (const path of documents) {
    for (const [, target] of read(path).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g))
      assert.ok(existsSync(join(root, dirname(path), target!)), `${path} → ${target}`)
  }
})

test('the README tells of every variable and its default', () => {
  const rows = new Map<string, string[]>()
  for (const [, names, defaults] of read('README.md').matchAll(/^\| *(`[A-Z][^|]*?) *\| *([^|]*?) *\|/gm)) {
    const values = [...defaults!.matchAll(/`([^`]+)`/g)].map(([, value]) => value!)
    const variables = [...names!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
    variables.forEach((name, i) => {
      rows.set(name, variables.length === 1 ? values : values.slice(i, i + 1))
    })
  }
  for (const [name, { unset }] of Object.entries(VARIABLES)) {
    assert.ok(rows.has(name) || name === 'ORRERY_ROLES', `${name} is not in the README`)
    if (typeof unset === 'string') assert.ok(rows.get(name)?.includes(unset), `${name} is ${unset} by default, not ${rows.get(name)}`)
  }
  for (const name of rows.keys()) assert.ok(name in VARIABLES, `${name} is no variable`)
})

describe('against a server', () => {
  let orrery: Orrery
  before(async () => {
    orrery = await startOrrery({ directory: temporaryDirectory() })
  })
  after(() => orrery?.kill('SIGTERM'))

  test('the mutations of the README do what they say', async () => {
    for (const { where, text } of blocks('README.md', 'graphql').filter(({ text }) => text.startsWith('mutation'))) {
      const answer = await ask<Record<string, { errors: unknown[] }>>(orrery.url, text)
      assert.equal(answer.errors, undefined, where)
      for (const payload of Object.values(answer.data!)) assert.deepEqual(payload.errors, [], where)
    }
  })

  test('the curl commands of the README are answered', { skip: noCurl }, async () => {
    const commands = blocks('README.md', 'sh').filter(({ text }) => text.startsWith('curl'))
    assert.ok(commands.length >= 3)
    for (const { where, text } of commands) {
      const here = text.replaceAll('http://127.0.0.1:4000', orrery.origin)
      const answer = await (text.includes('text/event-stream') ? firstEvent(here) : shell(here))
      assert.match(answer, /"data":/, `${where}: ${answer}`)
      assert.doesNotMatch(answer, /"errors":\[\{/, where)
    }
  })

  test('examples/watch.ts shows executions', async () => {
    const job = await createJob(orrery.url, {
      name: 'watched',
      schedule: { interval: { every: 'PT24H' } },
      policies: { overlap: 'ALLOW_ALL' },
    })
    const url = orrery.url.replace(/^http/, 'ws')
    const watching = spawn(process.execPath, [join(root, 'examples/watch.ts'), url], { stdio: ['ignore', 'pipe', 'inherit'] })
    // It has no sign of being connected: runs are triggered until one is seen.
    const trigger = setInterval(() => void triggerJob(orrery.url, job.id), 200)
    // Jobs of the other tests go on firing, and are watched too.
    const line = await firstLine(watching.stdout, (text) => text.includes(' watched '))
    clearInterval(trigger)
    watching.kill()
    assert.match(line, /^\d{4}-\S+Z [A-Z]+ +watched +run_\w+$/)
  })

  /** Jobs go on meanwhile, so an event comes. */
  async function firstEvent(command: string): Promise<string> {
    const job = await createJob(orrery.url, { name: 'eventful', schedule: { interval: { every: '1s' } } })
    assert.match(job.id, /^job_/)
    const curl = spawn('bash', ['-c', `exec ${command}`], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    for await (const chunk of curl.stdout.setEncoding('utf8')) {
      text += chunk
      if (text.includes('data: {')) break
    }
    curl.kill()
    return text
  }
})

function shell(command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('bash', ['-c', command], { timeout: 20_000 }, (error, stdout) => (error === null ? resolve(stdout) : reject(error)))
  })
}

async function firstLine(stream: NodeJS.ReadableStream, fits: (line: string) => boolean): Promise<string> {
  for await (const line of createInterface({ input: stream })) if (fits(line)) return line
  throw new Error('it ended without a word of it')
}
