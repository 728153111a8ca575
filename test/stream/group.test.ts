import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Group } from '../../src/stream/group.ts'
import type { Live, LiveItem, LiveReader, Start } from '../../src/stream/liveSource.ts'
import { FakeSink, turns } from './members.ts'

// Readers and renderings under control, for the moments between two eras of a group that chance hardly finds.

class FakeReader implements LiveReader<number> {
  readonly after: number
  position: number
  caughtUp = true
  ended = false
  #items: LiveItem<number>[] = []
  #wake: (() => void) | null = null

  constructor(after: number) {
    this.after = after
    this.position = after
  }

  give(position: number): void {
    this.#items.push({ kind: 'EVENT', position, event: position })
    this.#wake?.()
  }

  async next(): Promise<IteratorResult<LiveItem<number>, undefined>> {
    while (this.#items.length === 0 && !this.ended)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    const value = this.ended ? undefined : this.#items.shift()
    if (value === undefined) return { done: true, value: undefined }
    this.position = value.position
    return { done: false, value }
  }

  return(): void {
    this.ended = true
    this.#wake?.()
  }
}

function open(writesATurn = 500) {
  const readers: FakeReader[] = []
  const renders = new Map<number, () => void>()
  const read = (after: number) => {
    readers.push(new FakeReader(after))
    return readers.at(-1)!
  }
  const render = (event: number) => new Promise<Buffer>((resolve) => renders.set(event, () => resolve(Buffer.from(String(event)))))
  const group = new Group<number>({ read, render, failure: (error) => error, emptied: () => {}, writesATurn })
  const add = async (position: number, rest: Partial<Start> = {}) => {
    const live: Live<number> = {
      start: Promise.resolve({ position, behind: false, ...rest }),
      startArgument: 'after',
      checkpoints: false,
      read,
    }
    const sink = new FakeSink()
    const life = group.add(live, sink)
    void life.next()
    await turns(1)
    return { sink, life }
  }
  const rendered = async (event: number) => {
    while (!renders.has(event)) await turns(1)
    renders.get(event)!()
    renders.delete(event)
    await turns(1)
  }
  return { readers, add, rendered }
}

test('an event that is rendered when the last member leaves is not told to those who come after', async () => {
  const { readers, add, rendered } = open()
  const leaving = await add(0)
  readers[0]!.give(5)
  await turns(1)
  await leaving.life.return?.()
  const coming = await add(2)
  await rendered(5)
  assert.deepEqual(coming.sink.told, [])
  assert.deepEqual(
    readers.map(({ after, ended }) => [after, ended]),
    [
      [0, true],
      [2, false],
    ],
  )
  for (const event of [3, 5]) {
    readers[1]!.give(event)
    await rendered(event)
  }
  assert.deepEqual(coming.sink.told, [3, 5])
})

test('a writing that pauses while the last members leave does not go on among those who come after', async () => {
  const { readers, add, rendered } = open(1)
  const [first, second] = [await add(0), await add(0)]
  readers[0]!.give(5)
  const ready = first.sink.has(1)
  void rendered(5)
  await ready
  for (const { life } of [first, second]) await life.return?.()
  const coming = await add(2)
  await turns(5)
  assert.deepEqual([first.sink.told, second.sink.told, coming.sink.told], [[5], [], []])
  readers[1]!.give(3)
  await rendered(3)
  assert.deepEqual(coming.sink.told, [3])
})

test('whoever comes while an event is rendered gets it if it is behind it, and only then', async () => {
  const { readers, add, rendered } = open()
  const members = [await add(0)]
  readers[0]!.give(5)
  await turns(1)
  members.push(await add(4), await add(5), await add(6))
  await rendered(5)
  members.push(await add(5))
  assert.deepEqual(
    members.map(({ sink }) => sink.told),
    [[5], [5], [], [], []],
  )
  assert.equal(readers.length, 1)
})

test('whoever is behind the group reads for itself, and gives up its reader when it has come to the group', async () => {
  const { readers, add, rendered } = open()
  const live = await add(0)
  readers[0]!.give(5)
  await rendered(5)
  const behind = await add(2)
  assert.equal(readers[1]!.after, 2)
  readers[1]!.give(3)
  await rendered(3)
  assert.equal(readers[1]!.ended, false)
  readers[1]!.give(5)
  await rendered(5)
  assert.equal(readers[1]!.ended, true)
  readers[0]!.give(6)
  await rendered(6)
  assert.deepEqual(
    [live.sink.told, behind.sink.told],
    [
      [5, 6],
      [3, 5, 6],
    ],
  )
})

test('where the group is silent, the reader of the first that has caught up becomes its reader', async () => {
  const { readers, add, rendered } = open()
  const first = await add(0, { behind: true })
  readers[0]!.caughtUp = false
  readers[0]!.give(1)
  await rendered(1)
  const fresh = await add(9)
  assert.deepEqual(
    readers.map(({ after }) => after),
    [0, 9],
  )
  readers[1]!.give(10)
  await rendered(10)
  readers[0]!.give(10)
  await rendered(10)
  assert.deepEqual([first.sink.told, fresh.sink.told], [[1, 10], [10]])
  assert.deepEqual(
    readers.map(({ ended }) => ended),
    [true, false],
  )
})
