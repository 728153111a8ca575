import type { Log } from '../log.ts'

/** What the process needs to do its work, each `ok` or what is wrong with it. */
export type Checks = Readonly<Record<string, string>>

export interface Health {
  readonly status: 'ready' | 'draining' | 'not ready'
  readonly checks: Checks
}

/** A check that hangs must not make the question hang: whoever asks waits for a few seconds only. */
const PATIENCE = 2_000

/** Whether this process should be given work now. */
export async function askReadiness(readiness: () => Promise<Checks>, draining: boolean, log: Log): Promise<Health> {
  const { promise: tooLate, resolve } = Promise.withResolvers<Checks>()
  const timer = setTimeout(() => resolve({ readiness: `no answer within ${PATIENCE} ms` }), PATIENCE)
  const asked = readiness().catch((error: unknown): Checks => {
    log.error({ err: error }, 'the readiness could not be found out')
    return { readiness: 'failed' }
  })
  const checks = await Promise.race([asked, tooLate])
  clearTimeout(timer)
  const well = Object.values(checks).every((check) => check === 'ok')
  return { status: draining ? 'draining' : well ? 'ready' : 'not ready', checks }
}
