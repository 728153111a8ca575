import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser, noBrowser } from '../support/browser.ts'
import { createJob, streamPosition, triggerJob } from '../support/jobs.ts'
import { type Orrery, startOrrery } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

// GraphiQL as its user has it: in a real browser, which is refused every request that leaves the server.

describe('GraphiQL in a browser', { skip: noBrowser ?? false }, () => {
  let orrery: Orrery
  let browser: Browser
  let page: Page
  const requested: string[] = []
  const complaints: string[] = []

  before(async () => {
    orrery = await startOrrery({ directory: temporaryDirectory() })
    browser = await launchBrowser()
    page = await browser.newPage()
    page.on('request', (sent) => requested.push(sent.url()))
    page.on('websocket', (socket) => requested.push(socket.url().replace(/^ws/, 'http')))
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.route('**/*', (route) =>
      route.request().url().startsWith(orrery.origin) || /^(data|blob):/.test(route.request().url()) ? route.continue() : route.abort(),
    )
  })

  after(async () => {
    await browser?.close()
    await orrery?.kill('SIGTERM')
  })

  /** Opens GraphiQL with an operation in its editor and presses the button. */
  async function execute(query: string): Promise<void> {
    await page.goto(`${orrery.url}?query=${encodeURIComponent(query)}`)
    await page.getByRole('button', { name: /execute query/i }).click()
  }

  const result = (text: string) => page.locator('.result-window').filter({ hasText: text })

  test('opens with example operations ready', async () => {
    await page.goto(orrery.url)
    await page.getByRole('button', { name: /execute query/i }).waitFor()
    await page.getByText('createJob').first().waitFor()
  })

  test('runs a query', async () => {
    await execute('{ system { engine } }')
    await result('SQLITE').waitFor()
  })

  test('has read the schema, which is within the limits', async () => {
    await page.goto(orrery.url)
    await page.getByRole('button', { name: /show documentation explorer/i }).click()
    await page.locator('.graphiql-doc-explorer').getByText('Subscription', { exact: true }).click()
    await page.locator('.graphiql-doc-explorer').getByRole('link', { name: 'jobRuns', exact: true }).waitFor()
  })

  test('shows what an operation costs, and which limit one is beyond', async () => {
    await execute('{ jobs(first: 7) { nodes { id } } }')
    await result('"cost": 8').waitFor()
    await execute('{ jobs(first: 100) { nodes { runs(first: 100) { nodes { id } } } } }')
    await result('TOO_COSTLY').waitFor()
  })

  test('shows a subscription live', async () => {
    const job = await createJob(orrery.url, { name: 'watched', schedule: { interval: { every: 'PT24H' } } })
    const position = await streamPosition(orrery.url)
    await execute(`subscription { jobRuns(after: "${position}") { run { id status } } }`)
    const run = await triggerJob(orrery.url, job.id)
    await result(run).filter({ hasText: 'SUCCEEDED' }).waitFor()
  })

  test('and asked nobody but the server', () => {
    const elsewhere = requested.filter((url) => !url.startsWith(orrery.origin) && !/^(data|blob):/.test(url))
    assert.deepEqual(elsewhere, [])
    assert.ok(requested.length > 0)
    assert.deepEqual(complaints, [])
  })
})
