import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Bus, Hint } from '../../src/engine/bus/bus.ts'
import type { JobEventRow, JobRow, Store } from '../../src/engine/store/store.ts'
import { decodeCursor, encodeCursor } from '../../src/stream/cursor.ts'
import { Groups } from '../../src/stream/groups.ts'
import { createJobStream, type JobEvent, type JobStreamQuery } from '../../src/stream/jobStream.ts'
import { LIVE } from '../../src/stream/liveSource.ts'
import { FakeSink, turns } from './members.ts'

const DATABASE = 'db_test'
const NO_FILTER = { state: null, search: null, tags: null, handler: null, lastRunStatus: null }

/** Changes of jobs among those of runs, with answers as late as a test wants them. Jobs with an even number have the tag `even`. */
class JobEventStore {
  readonly databaseId = DATABASE
  readonly events: JobEventRow[] = []
  readonly listeners = new Set<(hint: Hint) => void>()
  head = 0

  commit(jobs: readonly number[]): void {
    for (const job of jobs) {
      // A change of a run before each.
      this.head += 2
      this.events.push({ cursor: this.head, jobId: `job_${job}`, change: 'UPDATED', at: this.head, before: null })
    }
    for (const listener of this.listeners) listener({ kind: 'changes', upTo: this.head })
  }

  async streamHead(): Promise<number> {
    return this.head
  }

  async streamGiven(): Promise<number> {
    return this.head
  }

  async jobStreamFloor(): Promise<number> {
    return 0
  }

  async jobChanges({ after, upTo, limit }: Parameters<Store['jobChanges']>[0]): Promise<readonly JobEventRow[]> {
    const found = this.events.filter(({ cursor }) => cursor > after && cursor <= upTo).slice(0, limit)
    await turns(1)
    return found
  }

  async job({ id }: { readonly id: string }): Promise<JobRow> {
    const tags = Number(id.slice(4)) % 2 === 0 ? ['even'] : []
    const job = { id, name: id, description: null, tags, target: { kind: 'handler', handler: 'noop' }, pause: null }
    return { job, position: { completed: false }, lastRunStatus: null, lastRunAt: null } as unknown as JobRow
  }

  readonly bus: Bus = {
    publish: () => {},
    subscribe: (listener) => {
      this.listeners.add(listener)
      return () => this.listeners.delete(listener)
    },
    close: async () => {},
  }
}

function open() {
  const store = new JobEventStore()
  const stream = createJobStream({
    store: store as unknown as Store,
    bus: store.bus,
    log: { error: (fields) => assert.fail(JSON.stringify(fields)) },
    pollInterval: 60_000,
    page: 3,
  })
  const groups = new Groups(2)
  const count = { renders: 0 }
  const join = (query: JobStreamQuery) => {
    const sink = new FakeSink()
    const { after: _after, ...rest } = query
    const life = groups.join({
      key: JSON.stringify(rest),
      owner: 'ada',
      live: stream.jobChanges(query)[LIVE],
      sink,
      render: async (event) => {
        count.renders++
        const { cursor, jobId } = event as JobEvent
        return Buffer.from(JSON.stringify({ position: decodeCursor(DATABASE, cursor), jobId }))
      },
      failure: (error) => error,
    })
    void life.next()
    return { sink, life }
  }
  return { store, stream, groups, join, count }
}

const at = (position: number): string => encodeCursor(DATABASE, position)

test('a change is executed once for all equal subscriptions, with one reader', async () => {
  const { store, stream, join, count } = open()
  const members = Array.from({ length: 200 }, () => join({ filter: null, after: null, checkpoints: false }))
  await turns(20)
  store.commit([1, 2, 3, 4, 5])
  await Promise.all(members.map(({ sink }) => sink.has(5)))
  assert.deepEqual([count.renders, stream.readers], [5, 1])
  for (const { life } of members) await life.return?.()
  assert.deepEqual([stream.readers, store.listeners.size], [0, 0])
})

const QUERIES = [
  { filter: null, checkpoints: false },
  { filter: { ...NO_FILTER, tags: ['even'] }, checkpoints: true },
] as const

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const), jobs: fc.array(fc.nat(9), { minLength: 1, maxLength: 8 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('come' as const), query: fc.nat(1), back: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('stall' as const), member: fc.nat(9), room: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('release' as const, 'leave' as const), member: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pause' as const), turns: fc.integer({ min: 1, max: 8 }) }) },
)

test('however members join, resume, stall and leave: each is told every change that it asked for, in order and once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { store, stream, join } = open()
      const members: (ReturnType<typeof join> & { readonly from: number; readonly query: number })[] = []
      const wanted = ({ from, query }: { readonly from: number; readonly query: number }) =>
        store.events.filter(({ cursor, jobId }) => cursor > from && (query === 0 || Number(jobId.slice(4)) % 2 === 0))
      const checkPrefix = (member: (typeof members)[number]) => {
        const told = member.sink.told.filter(({ jobId }) => jobId !== null).map(({ position }) => position)
        const cursors = wanted(member).map(({ cursor }) => cursor)
        assert.deepEqual(told, cursors.slice(0, told.length))
        return told.length === cursors.length
      }
      for (const each of steps) {
        const member = 'member' in each ? members[each.member] : undefined
        if (each.do === 'commit') store.commit(each.jobs)
        else if (each.do === 'pause') await turns(each.turns)
        else if (each.do === 'come') {
          const from = Math.max(0, store.head - each.back)
          members.push({ ...join({ ...QUERIES[each.query]!, after: at(from) }), from, query: each.query })
        } else if (member !== undefined) {
          if (each.do === 'stall') Object.assign(member.sink, { stalled: true, room: each.room })
          else if (each.do === 'release') member.sink.release()
          else {
            await member.life.return?.()
            checkPrefix(member)
            members.splice(members.indexOf(member), 1)
          }
        }
      }
      for (const { sink } of members) sink.release()
      for (let waited = 0; !members.map(checkPrefix).every(Boolean); waited++) {
        assert.ok(waited < 2_000, 'a change was lost')
        await turns(1)
      }
      for (const { life } of members) await life.return?.()
      assert.deepEqual([stream.readers, store.listeners.size], [0, 0])
    }),
    { numRuns: 150 },
  )
})
