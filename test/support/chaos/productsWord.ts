import { request } from '../graphqlClient.ts'

// What the product itself says of its jobs and runs, asked over the API once everything is over.

export interface Audit {
  readonly planned: number
  readonly accounted: number
  readonly pending: number
  readonly missing: number
  readonly duplicated: number
}

export interface ProductsWord {
  readonly jobs: number
  /** The audits of all jobs, summed. */
  readonly audit: Audit
  /** Rows of `occurrences` that are no runs. */
  readonly otherVerdicts: number
  readonly problems: readonly string[]
}

interface Page<Node> {
  readonly nodes: readonly Node[]
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
}

const CALLERS = 16
const PAGE_OF = (selection: string) => `{ nodes { ${selection} } pageInfo { hasNextPage endCursor } }`

/** All nodes of a list, page by page. `page` asks for one. */
async function allPages<Node>(page: (after: string | null) => Promise<Page<Node>>): Promise<Node[]> {
  const nodes: Node[] = []
  for (let after: string | null = null; ; ) {
    const { nodes: more, pageInfo } = await page(after)
    nodes.push(...more)
    if (!pageInfo.hasNextPage) return nodes
    after = pageInfo.endCursor
  }
}

function allJobs<Node>(url: string, selection: string, first: number): Promise<Node[]> {
  const query = `query ($after: String) { jobs(first: ${first}, after: $after) ${PAGE_OF(selection)} }`
  return allPages(async (after) => (await request<{ jobs: Page<Node> }>(url, query, { after })).jobs)
}

export function activeRuns(url: string): Promise<{ id: string; status: string }[]> {
  const query = `query ($after: String) { runs(first: 100, after: $after, filter: { status: [QUEUED, RUNNING, RETRYING] }) ${PAGE_OF('id status')} }`
  return allPages(async (after) => (await request<{ runs: Page<{ id: string; status: string }> }>(url, query, { after })).runs)
}

/** Audits every job, and reads its ledger: what did not run has a reason, or a run that it went into. */
export async function askProduct(url: string): Promise<ProductsWord> {
  const window = { from: new Date(Date.now() - 86_400_000).toISOString(), to: new Date().toISOString() }
  const of = `from: "${window.from}", to: "${window.to}"`
  const selection = `id name audit(${of}) { planned accounted pending missing duplicated }`
  const jobs = await allJobs<{ id: string; name: string; audit: Audit | null }>(url, selection, 20)
  const problems = jobs
    .filter(({ audit }) => audit === null || audit.missing !== 0 || audit.duplicated !== 0)
    .map(({ id, name, audit }) => `${name} (${id}): the audit says ${JSON.stringify(audit)}`)
  let otherVerdicts = 0
  const unasked = [...jobs]
  const asking = async (): Promise<void> => {
    for (let job = unasked.pop(); job !== undefined; job = unasked.pop()) {
      const { id, name } = job
      const rows = (await occurrencesOf(url, id, window)).filter(({ verdict }) => verdict !== 'RUN' && verdict !== 'PLANNED')
      otherVerdicts += rows.length
      const unexplained = rows.filter(({ reason, run }) => reason === null && run === null)
      for (const { at, verdict } of unexplained) problems.push(`${name} (${id}): ${at} was ${verdict}, and nobody says why`)
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, asking))
  const total = (what: keyof Audit) => jobs.reduce((sum, { audit }) => sum + (audit?.[what] ?? 0), 0)
  const audit: Audit = {
    planned: total('planned'),
    accounted: total('accounted'),
    pending: total('pending'),
    missing: total('missing'),
    duplicated: total('duplicated'),
  }
  return { jobs: jobs.length, audit, otherVerdicts, problems }
}

interface Occurrence {
  readonly at: string
  readonly verdict: string
  readonly reason: string | null
  readonly run: { readonly id: string } | null
}

function occurrencesOf(url: string, id: string, window: { from: string; to: string }): Promise<Occurrence[]> {
  const query = `query ($id: ID!, $from: DateTime!, $to: DateTime!, $after: String) {
    job(by: { id: $id }) { occurrences(from: $from, to: $to, first: 100, after: $after) ${PAGE_OF('at verdict reason run { id }')} }
  }`
  return allPages(async (after) => {
    const { job } = await request<{ job: { occurrences: Page<Occurrence> } }>(url, query, { id, ...window, after })
    return job.occurrences
  })
}
