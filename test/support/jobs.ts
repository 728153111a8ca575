import { request } from './graphqlClient.ts'

export interface Problem {
  readonly code: string
  readonly message: string
  readonly path: readonly string[]
}

export interface CreatedJob {
  readonly id: string
  readonly name: string
  readonly createdAt: string
}

/** Creates a job as the API's `CreateJobInput` says; what is wrong with it is thrown. */
export async function createJob(url: string, input: Readonly<Record<string, unknown>>): Promise<CreatedJob> {
  const { createJob: payload } = await request<{ createJob: { job: CreatedJob | null; errors: Problem[] } }>(
    url,
    'mutation ($input: CreateJobInput!) { createJob(input: $input) { job { id name createdAt } errors { code message path } } }',
    { input },
  )
  if (payload.job === null) throw new Error(`the job was refused: ${JSON.stringify(payload.errors)}`)
  return payload.job
}

/** Starts a run by hand and answers its id. */
export async function triggerJob(url: string, id: string, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const { triggerJob: payload } = await request<{ triggerJob: { run: { id: string } | null; errors: Problem[] } }>(
    url,
    'mutation ($input: TriggerJobInput!) { triggerJob(input: $input) { run { id } errors { code message path } } }',
    { input: { id, ...more } },
  )
  if (payload.run === null) throw new Error(`the run was refused: ${JSON.stringify(payload.errors)}`)
  return payload.run.id
}

const BATCH = 25
const CALLERS = 32

/** Creates many jobs: 25 a request, 32 requests at once, so that one commit serves many. Answers their ids in order. */
export async function createJobs(url: string, inputs: readonly Readonly<Record<string, unknown>>[]): Promise<string[]> {
  const ids: string[] = new Array(inputs.length)
  let next = 0
  const caller = async (): Promise<void> => {
    for (let from = next; from < inputs.length; from = next) {
      next = from + BATCH
      const created = await createBatch(url, inputs.slice(from, from + BATCH))
      ids.splice(from, created.length, ...created)
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return ids
}

async function createBatch(url: string, inputs: readonly Readonly<Record<string, unknown>>[]): Promise<string[]> {
  const variables = Object.fromEntries(inputs.map((input, i) => [`i${i}`, input]))
  const declared = inputs.map((_, i) => `$i${i}: CreateJobInput!`).join(' ')
  const fields = inputs.map((_, i) => `j${i}: createJob(input: $i${i}) { job { id } errors { code message path } }`).join(' ')
  const data = await request<Record<string, { job: { id: string } | null; errors: Problem[] }>>(
    url,
    `mutation (${declared}) { ${fields} }`,
    variables,
  )
  return Object.values(data).map(({ job, errors }) => {
    if (job === null) throw new Error(`a job was refused: ${JSON.stringify(errors)}`)
    return job.id
  })
}

export async function streamPosition(url: string): Promise<string> {
  return (await request<{ streamPosition: string }>(url, '{ streamPosition }')).streamPosition
}
