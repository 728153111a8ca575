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

/** Creates many jobs, a hundred a request. */
export async function createJobs(url: string, inputs: readonly Readonly<Record<string, unknown>>[]): Promise<string[]> {
  const ids: string[] = []
  for (let from = 0; from < inputs.length; from += 100) {
    const batch = inputs.slice(from, from + 100)
    const variables = Object.fromEntries(batch.map((input, i) => [`i${i}`, input]))
    const declared = batch.map((_, i) => `$i${i}: CreateJobInput!`).join(' ')
    const fields = batch.map((_, i) => `j${i}: createJob(input: $i${i}) { job { id } errors { code message path } }`).join(' ')
    const data = await request<Record<string, { job: { id: string } | null; errors: Problem[] }>>(
      url,
      `mutation (${declared}) { ${fields} }`,
      variables,
    )
    for (const { job, errors } of Object.values(data)) {
      if (job === null) throw new Error(`a job was refused: ${JSON.stringify(errors)}`)
      ids.push(job.id)
    }
  }
  return ids
}

export async function streamPosition(url: string): Promise<string> {
  return (await request<{ streamPosition: string }>(url, '{ streamPosition }')).streamPosition
}
