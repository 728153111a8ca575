import { Group, type GroupDeps, type Sink } from './group.ts'
import type { Live } from './liveSource.ts'
import { WRITES } from './loopShare.ts'

/** What makes subscriptions equal, and what they share. */
export interface Membership<Event> extends Pick<GroupDeps<Event>, 'render' | 'failure'> {
  /** Equal exactly where every event shows the same to both: what is asked, of what, and with which rights. */
  readonly key: string
  /** Who asks: by this all of somebody's subscriptions can be ended. */
  readonly owner: string | null
  readonly live: Live<Event>
  readonly sink: Sink
}

/** The groups of equal subscriptions. One is there as long as it has a member. */
export class Groups {
  readonly #groups = new Map<string, { readonly owner: string | null; readonly group: Group<unknown> }>()
  readonly #writesATurn: number

  constructor(writesATurn: number = WRITES.count) {
    this.#writesATurn = writesATurn
  }

  get size(): number {
    return this.#groups.size
  }

  /** Answers an iterator that yields nothing and lives as long as the subscription, whose events go to `sink`. */
  join({ key, owner, live, sink, render, failure }: Membership<unknown>): AsyncIterableIterator<never> {
    let known = this.#groups.get(key)
    if (known === undefined) {
      const emptied = () => void this.#groups.delete(key)
      known = { owner, group: new Group({ read: (after) => live.read(after), render, failure, emptied, writesATurn: this.#writesATurn }) }
      this.#groups.set(key, known)
    }
    return known.group.add(live, sink)
  }

  /** Ends all subscriptions of somebody whose rights have changed. */
  endOf(owner: string, error: unknown): void {
    for (const each of [...this.#groups.values()]) if (each.owner === owner) each.group.end(error)
  }
}
