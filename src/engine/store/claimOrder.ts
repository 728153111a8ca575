import type { Instant } from '../../domain/instant.ts'

interface Waiting {
  readonly priority: number
  readonly dueAt: Instant
  readonly id: string
}

/** The order in which waiting runs start. */
export function byClaimOrder(a: Waiting, b: Waiting): number {
  return b.priority - a.priority || a.dueAt - b.dueAt || (a.id < b.id ? -1 : 1)
}
