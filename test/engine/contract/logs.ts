import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Engine } from '../../../src/engine/engine.ts'
import type { LogLineQuery, NewLogLine } from '../../../src/engine/store/store.ts'
import type { OpenTestDatabase } from '../contract.ts'
import { createJob, LATER, planRun } from '../factories.ts'

type Open = (t: TestContext) => Promise<Engine>

const MEBIBYTE = 1024 * 1024

function line(runId: string, message: string, more: Partial<NewLogLine> = {}): NewLogLine {
  return { runId, attempt: 1, at: LATER, level: 'INFO', message, fields: null, ...more }
}

const linesOf = (engine: Engine, runId: string) => engine.prisma.logLine.findMany({ where: { runId }, orderBy: { seq: 'asc' } })

export function logContract(open: Open, openTestDatabase: OpenTestDatabase): void {
  describe('log lines', () => {
    it('are numbered by one within their run, in the order they come, over many calls', async (t) => {
      const engine = await open(t)
      const job = await createJob(engine.store)
      const [a, b] = [(await planRun(engine.store, job)).id, (await planRun(engine.store, job)).id]
      await engine.store.appendLogs([
        line(a, 'a1', { level: 'ERROR', fields: '{"ü":1}', attempt: 2, at: LATER + 3 }),
        line(b, 'b1'),
        line(a, 'a2'),
      ])
      await Promise.all([engine.store.appendLogs([line(a, 'a3')]), engine.store.appendLogs([line(a, 'a4'), line(b, 'b2')])])
      assert.deepEqual(
        (await linesOf(engine, a)).map(({ seq, message }) => [seq, message]),
        [
          [1, 'a1'],
          [2, 'a2'],
          [3, 'a3'],
          [4, 'a4'],
        ],
      )
      assert.deepEqual(
        (await linesOf(engine, b)).map(({ seq, message }) => [seq, message]),
        [
          [1, 'b1'],
          [2, 'b2'],
        ],
      )
      const [first] = await linesOf(engine, a)
      assert.deepEqual([first?.level, first?.fields, first?.attempt, first?.at.getTime()], ['ERROR', '{"ü":1}', 2, LATER + 3])
    })

    it('are answered from either end, strictly between two numbers, at most so many', async (t) => {
      const { store } = await open(t)
      const job = await createJob(store)
      const [id, other] = [(await planRun(store, job)).id, (await planRun(store, job)).id]
      await store.appendLogs([
        line(other, 'not this'),
        ...Array.from({ length: 700 }, (_, i) => line(id, `${i + 1}`)),
        line(other, 'nor this'),
      ])
      const read = async (query: Partial<LogLineQuery>) => {
        const lines = await store.logLines({ runId: id, after: null, before: null, fromEnd: false, limit: 1_000, ...query })
        assert.deepEqual(
          lines.map(({ seq }) => `${seq}`),
          lines.map(({ message }) => message),
        )
        return [lines.length, lines[0]?.seq, lines.at(-1)?.seq]
      }
      assert.deepEqual(await read({}), [700, 1, 700])
      assert.deepEqual(await read({ fromEnd: true }), [700, 1, 700])
      assert.deepEqual(await read({ limit: 450 }), [450, 1, 450])
      assert.deepEqual(await read({ limit: 450, fromEnd: true }), [450, 251, 700])
      assert.deepEqual(await read({ after: 10, before: 20 }), [9, 11, 19])
      assert.deepEqual(await read({ after: 10, before: 20, limit: 4 }), [4, 11, 14])
      assert.deepEqual(await read({ after: 10, before: 20, limit: 4, fromEnd: true }), [4, 16, 19])
      assert.deepEqual(await read({ after: 700 }), [0, undefined, undefined])
      assert.deepEqual(await read({ before: 1, fromEnd: true }), [0, undefined, undefined])
      assert.deepEqual(await read({ limit: 0 }), [0, undefined, undefined])
      assert.deepEqual(await read({ runId: 'run_none' }), [0, undefined, undefined])
    })

    it('are answered as they were written', async (t) => {
      const { store } = await open(t)
      const { id } = await planRun(store, await createJob(store))
      await store.appendLogs([line(id, 'ü', { level: 'ERROR', fields: '{"n":1}', attempt: 2, at: LATER + 3 })])
      assert.deepEqual(await store.logLines({ runId: id, after: null, before: null, fromEnd: false, limit: 10 }), [
        { runId: id, seq: 1, at: LATER + 3, attempt: 2, level: 'ERROR', message: 'ü', fields: '{"n":1}' },
      ])
    })

    it('are told of after the commit, with the runs that got them', async (t) => {
      const { store, bus } = await open(t)
      const job = await createJob(store)
      const [a, b] = [(await planRun(store, job)).id, (await planRun(store, job)).id]
      const told: string[] = []
      const seen: Promise<number>[] = []
      bus.subscribe((hint) => {
        if (hint.kind !== 'logs') return
        assert.ok(hint.runIds !== null)
        told.push(...hint.runIds)
        for (const runId of hint.runIds)
          seen.push(store.logLines({ runId, after: null, before: null, fromEnd: false, limit: 9 }).then((lines) => lines.length))
      })
      await store.appendLogs([line(a, 'a1'), line('run_none', 'x'), line(b, 'b1'), line(a, 'a2')])
      assert.deepEqual([...told].sort(), [a, b].sort())
      assert.deepEqual((await Promise.all(seen)).sort(), [1, 2])
    })

    it('of a run that is gone are dropped, and the others stay', async (t) => {
      const engine = await open(t)
      const { id } = await planRun(engine.store, await createJob(engine.store))
      await engine.store.appendLogs([line('run_none', 'x'), line(id, 'y')])
      assert.deepEqual(
        (await linesOf(engine, id)).map(({ message }) => message),
        ['y'],
      )
      assert.equal(await engine.prisma.logLine.count(), 1)
    })

    it('of a run are at most 8 MiB: the first stay, the newest stay, and one line says how many were cut', async (t) => {
      const engine = await open(t)
      const { id } = await planRun(engine.store, await createJob(engine.store))
      // 1,200 lines of some 10,000 bytes; "é" has two.
      const total = 1_200
      for (let from = 0; from < total; from += 100) {
        await engine.store.appendLogs(Array.from({ length: 100 }, (_, i) => line(id, `${from + i + 1} ${'é'.repeat(5_000)}`)))
      }
      const lines = await linesOf(engine, id)
      const bytes = lines.reduce((sum, { message }) => sum + Buffer.byteLength(message), 0)
      assert.ok(bytes <= 8 * MEBIBYTE && bytes > 7.5 * MEBIBYTE, `${bytes} bytes are kept`)
      const marker = lines.findIndex(({ level }) => level === 'WARN')
      const cut = Number(/^… (\d+) lines were cut …$/.exec(lines[marker]!.message)?.[1])
      assert.equal(lines.length, total - cut + 1)
      const numberOf = (message: string) => Number(message.split(' ')[0])
      const head = lines.slice(0, marker)
      const tail = lines.slice(marker + 1)
      assert.deepEqual(
        head.map(({ seq, message }) => seq - numberOf(message)),
        head.map(() => 0),
      )
      assert.deepEqual(
        tail.map(({ seq, message }) => seq - numberOf(message)),
        tail.map(() => 0),
      )
      assert.deepEqual(
        [head[0]?.seq, lines[marker]?.seq, tail[0]?.seq, tail.at(-1)?.seq],
        [1, head.length + 1, head.length + cut + 1, total],
      )
    })

    it('go on after the database was opened again, where they were: numbers, head, cut and count', async (t) => {
      const database = await openTestDatabase(t)
      const first = await database.open()
      const { id } = await planRun(first.store, await createJob(first.store))
      const write = (engine: Engine, from: number, to: number) =>
        engine.store.appendLogs(Array.from({ length: to - from + 1 }, (_, i) => line(id, `${from + i} ${'x'.repeat(10_000)}`)))
      for (let from = 1; from <= 1_000; from += 100) await write(first, from, from + 99)
      const headEnd = (engine: Engine) => linesOf(engine, id).then((lines) => lines.findIndex(({ level }) => level === 'WARN'))
      const before = await headEnd(first)
      assert.ok(before > 400)
      await first.close()
      const second = await database.open()
      for (let from = 1_001; from <= 1_300; from += 100) await write(second, from, from + 99)
      const lines = await linesOf(second, id)
      assert.equal(await headEnd(second), before, 'the head stays')
      const [marker, next] = lines.slice(before)
      assert.equal(marker?.message, `… ${next!.seq - marker!.seq} lines were cut …`)
      const own = lines.filter(({ level }) => level === 'INFO')
      assert.deepEqual(
        own.map(({ message }) => Number.parseInt(message, 10)),
        own.map(({ seq }) => seq),
      )
      assert.equal(lines.at(-1)?.seq, 1_300)
      const bytes = lines.reduce((sum, { message }) => sum + message.length, 0)
      assert.ok(bytes <= 8 * MEBIBYTE && bytes > 7.5 * MEBIBYTE, `${bytes} bytes are kept`)
    })
  })
}
