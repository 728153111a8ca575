import assert from 'node:assert/strict'
import { isFinal, type RunStatus } from '../../src/domain/run.ts'
import { decodeCursor } from '../../src/stream/cursor.ts'
import type { Sink } from '../../src/stream/group.ts'
import { Groups } from '../../src/stream/groups.ts'
import { LIVE } from '../../src/stream/liveSource.ts'
import type { RunEvent, RunStream, RunStreamQuery } from '../../src/stream/runStream.ts'

export interface Told {
  readonly cursor: string
  readonly position: number
  readonly run: string | null
  readonly jobId: string | null
  readonly status: RunStatus | null
  /** The position of the row that was shown. */
  readonly rowAt: number | null
}

/** A line that takes what it is given until it is stalled: then it has room for `room` more and is not ready. */
export class FakeSink implements Sink {
  readonly told: Told[] = []
  stalled = false
  room = 0
  #callback: (() => void) | null = null
  #onWrite: (() => void) | null = null

  get ready(): boolean {
    return !this.stalled || this.room > 0
  }

  write(rendered: Buffer): void {
    if (this.stalled) this.room--
    this.told.push(JSON.parse(rendered.toString()))
    this.#onWrite?.()
  }

  whenReady(callback: (() => void) | null): void {
    this.#callback = callback
  }

  get isWaitedFor(): boolean {
    return this.#callback !== null
  }

  release(): void {
    this.stalled = false
    const callback = this.#callback
    this.#callback = null
    callback?.()
  }

  /** Resolves when so many events have been written. */
  async has(count: number): Promise<readonly Told[]> {
    while (this.told.length < count)
      await new Promise<void>((resolve) => {
        this.#onWrite = resolve
      })
    return this.told
  }
}

/** Subscriptions to one stream that are told together where their queries but for `after` are equal. */
export class Office {
  readonly groups: Groups
  /** How often an event was rendered. */
  renders = 0
  /** Awaited before each rendering. */
  delay: () => Promise<void> = () => Promise.resolve()
  readonly #stream: RunStream

  constructor(stream: RunStream, writesATurn?: number) {
    this.#stream = stream
    this.groups = new Groups(writesATurn)
  }

  join(query: RunStreamQuery, { sink = new FakeSink(), owner = 'ada' } = {}): { sink: FakeSink; life: AsyncIterableIterator<never> } {
    const { after: _after, ...rest } = query
    const life = this.groups.join({
      key: JSON.stringify([owner, rest]),
      owner,
      live: this.#stream.jobRuns(query)[LIVE],
      sink,
      render: (event) => this.#render(event as RunEvent),
      failure: (error) => error,
    })
    return { sink, life }
  }

  async #render({ cursor, run }: RunEvent): Promise<Buffer> {
    this.renders++
    await this.delay()
    const told: Told = {
      cursor,
      position: decodeCursor('db_test', cursor),
      run: run?.id ?? null,
      jobId: run?.jobId ?? null,
      status: run?.status ?? null,
      rowAt: run?.cursor ?? null,
    }
    return Buffer.from(JSON.stringify(told))
  }
}

/** What holds for what one subscription is told, whatever happened; `from`: where it resumed. Answers the runs whose end it was told. */
export function checkTold(told: readonly Told[], from: number): string[] {
  const ended: string[] = []
  let last = from
  for (const { position, run, status, rowAt } of told) {
    if (run === null) assert.ok(position >= last, `checkpoint ${position} after ${last}`)
    else {
      assert.ok(position > last, `cursor ${position} after ${last}`)
      assert.ok(rowAt !== null && rowAt >= position, 'the run is older than its cursor')
      if (status !== null && isFinal(status)) ended.push(run)
    }
    last = position
  }
  return ended
}

export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate)
}
