import type { Live, LiveItem, LiveReader } from './liveSource.ts'
import { loopShare, WRITES } from './loopShare.ts'

/** Where what a member is told goes. */
export interface Sink {
  /** Whether so little is unsent that more may be written. */
  readonly ready: boolean
  write(rendered: Buffer): void
  /** Calls back once, as soon as it is ready again. Null takes that back. */
  whenReady(callback: (() => void) | null): void
}

export interface GroupDeps<Event> {
  readonly read: Live<Event>['read']
  /** What members get of an event. Where it rejects, those who are told together end with the error. */
  readonly render: (event: Event) => Promise<Buffer>
  /** What members see of an error that ends them. */
  readonly failure: (error: unknown) => unknown
  /** The last member has gone. */
  readonly emptied: () => void
  /** Writes between two turns of the loop. */
  readonly writesATurn: number
}

/**
 * Equal subscriptions, told together: an event is read once, rendered once, and written to each.
 *
 *   group    SILENT ──a member is LIVE──▶ TELLING (one reader for all LIVE members) ──none is LIVE──▶ SILENT
 *
 *   member   STARTING ──has all that the group has told, owes no checkpoint──▶ LIVE
 *                │                                                             │  ▲
 *                │ otherwise                  too much of its line is unsent   │  │ has all that the group has told;
 *                ▼                                                             ▼  │ or is caught up, and the group is SILENT:
 *              BEHIND (a reader of its own, while its line is ready) ─────────────┘ then its reader becomes the group's
 *
 *   and from each of them ──it leaves, or what it needs fails──▶ ENDED
 *
 * Positions make it exact. `#position`: the group has told all that matches up to there, and will tell all that matches after it.
 * `member.position`: the member has been told all that matches up to there. So one whose position is at or after the group's may become
 * LIVE at any moment, and is passed over in events up to its own; whoever falls behind reads on from before the event it did not get.
 * Both are compared and changed without a wait between. Where all members cannot keep up with what happens, the reader of the group falls
 * behind as any reader does: it holds a bounded part, collapses states, and reads on from the store.
 */
export class Group<Event> {
  readonly #deps: GroupDeps<Event>
  readonly #members = new Set<Member<Event>>()
  readonly #live = new Set<Member<Event>>()
  #reader: LiveReader<Event> | null = null
  #position = 0

  constructor(deps: GroupDeps<Event>) {
    this.#deps = deps
  }

  /** A new member. It is told nothing before the first `next()` of the answer, and leaves at once with `return()`. */
  add(live: Live<Event>, sink: Sink): AsyncIterableIterator<never> {
    const member: Member<Event> = new Member(sink, {
      begin: () => void this.#start(member, live),
      leave: () => this.#remove(member),
    })
    this.#members.add(member)
    return member
  }

  /** Ends all members with an error. */
  end(error: unknown): void {
    for (const member of [...this.#members]) this.#fail(member, error)
  }

  async #start(member: Member<Event>, { start, checkpoints }: Live<Event>): Promise<void> {
    try {
      const { position, behind } = await start
      if (member.ended) return
      member.position = position
      if (!checkpoints && this.#join(member, !behind)) return
    } catch (error) {
      this.#fail(member, this.#deps.failure(error))
      return
    }
    await this.#catchUp(member)
  }

  /** Tells a member by itself until it can join. While its line is not ready it holds nothing but its position. */
  async #catchUp(member: Member<Event>): Promise<void> {
    try {
      while (!member.ended) {
        if (!member.sink.ready) {
          member.dropReader()
          await member.lineReady()
          continue
        }
        member.reader ??= this.#deps.read(member.position)
        const { reader } = member
        const item = await reader.next()
        if (item.done === true || member.ended) return
        if (item.value.kind !== 'CAUGHT_UP') {
          const rendered = await this.#deps.render(item.value.event)
          if (member.ended) return
          member.sink.write(rendered)
        }
        member.position = reader.position
        if (member.sink.ready && this.#join(member, reader.caughtUp)) return
      }
    } catch (error) {
      this.#fail(member, this.#deps.failure(error))
    }
  }

  #join(member: Member<Event>, caughtUp: boolean): boolean {
    if (this.#reader !== null) {
      if (member.position < this.#position) return false
      member.dropReader()
    } else {
      if (!caughtUp) return false
      this.#reader = member.reader ?? this.#deps.read(member.position)
      this.#position = member.position
      member.reader = null
      void this.#tell(this.#reader)
    }
    this.#live.add(member)
    return true
  }

  /** Ends when the group has fallen silent; if it speaks again meanwhile, with another reader, that is another telling. */
  async #tell(reader: LiveReader<Event>): Promise<void> {
    try {
      while (true) {
        const item = await reader.next()
        if (item.done === true || this.#reader !== reader) return
        if (item.value.kind === 'CAUGHT_UP') continue
        const { value } = item
        const rendered = this.#isForSomebody(value) ? await this.#deps.render(value.event) : null
        if (this.#reader !== reader) return
        this.#position = value.position
        if (rendered !== null) await this.#write(reader, value, rendered)
      }
    } catch (error) {
      if (this.#reader !== reader) return
      const failure = this.#deps.failure(error)
      for (const member of [...this.#live]) this.#fail(member, failure)
    }
  }

  #isForSomebody(item: LiveItem<Event>): boolean {
    for (const member of this.#live) if (isFor(member, item)) return true
    return false
  }

  async #write(reader: LiveReader<Event>, item: LiveItem<Event>, rendered: Buffer): Promise<void> {
    let written = 0
    // Those who join meanwhile come at the end of the set, and have the event already.
    for (const member of this.#live) {
      if (!isFor(member, item)) continue
      if (member.sink.ready) {
        member.sink.write(rendered)
        member.position = item.position
      } else this.#fallBehind(member, item)
      if (++written % this.#deps.writesATurn > 0) continue
      await loopShare.wait(WRITES.weight)
      if (this.#reader !== reader) return
    }
  }

  #fallBehind(member: Member<Event>, { kind, position }: LiveItem<Event>): void {
    member.position = Math.max(member.position, kind === 'CHECKPOINT' ? position : position - 1)
    this.#silence(member)
    void this.#catchUp(member)
  }

  #silence(member: Member<Event>): void {
    if (!this.#live.delete(member) || this.#live.size > 0) return
    this.#reader?.return()
    this.#reader = null
  }

  #remove(member: Member<Event>): void {
    if (!this.#members.delete(member)) return
    member.dropReader()
    this.#silence(member)
    if (this.#members.size === 0) this.#deps.emptied()
  }

  #fail(member: Member<Event>, error: unknown): void {
    this.#remove(member)
    member.fail(error)
  }
}

/** Yields nothing, and lives as long as its subscription: what it is told goes to its sink. */
class Member<Event> implements AsyncIterableIterator<never> {
  readonly sink: Sink
  position = 0
  /** While it is BEHIND. */
  reader: LiveReader<Event> | null = null
  #state: 'NEW' | 'TOLD' | 'ENDED' = 'NEW'
  readonly #begin: () => void
  readonly #leave: () => void
  readonly #end = Promise.withResolvers<IteratorResult<never>>()

  constructor(sink: Sink, { begin, leave }: { readonly begin: () => void; readonly leave: () => void }) {
    this.sink = sink
    this.#begin = begin
    this.#leave = leave
    // It may fail before somebody asks for what comes next.
    this.#end.promise.catch(() => {})
  }

  get ended(): boolean {
    return this.#state === 'ENDED'
  }

  next(): Promise<IteratorResult<never>> {
    if (this.#state === 'NEW') {
      this.#state = 'TOLD'
      this.#begin()
    }
    return this.#end.promise
  }

  async return(): Promise<IteratorResult<never>> {
    this.#stop()
    this.#leave()
    this.#end.resolve(DONE)
    return DONE
  }

  fail(error: unknown): void {
    this.#stop()
    this.#end.reject(error)
  }

  /** Stays pending where the member ends before: whoever waits is forgotten with it. */
  lineReady(): Promise<void> {
    return new Promise((resolve) => this.sink.whenReady(resolve))
  }

  dropReader(): void {
    this.reader?.return()
    this.reader = null
  }

  #stop(): void {
    this.#state = 'ENDED'
    this.sink.whenReady(null)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

const DONE: IteratorResult<never> = { done: true, value: undefined }

function isFor<Event>(member: Member<Event>, { kind, position }: LiveItem<Event>): boolean {
  return kind === 'CHECKPOINT' ? member.position <= position : member.position < position
}
