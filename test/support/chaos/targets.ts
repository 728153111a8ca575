import { join } from 'node:path'
import type { CreateJobInput } from '../../../src/commands/inputs.ts'
import type { Receiver } from './receiver.ts'
import type { Random } from './seeded.ts'

/** What the product must be allowed for the targets below. */
export const HANDLERS = join(import.meta.dirname, '../../system/fixtures/handlers')
export const COMMANDS = ['/bin/echo', '/bin/false', '/bin/sleep']

/** A target of any kind, quick or slow, that succeeds, fails, or never ends by itself. */
export function randomTarget(random: Random, receiver: Receiver): Pick<CreateJobInput, 'target' | 'payload'> {
  switch (random.weighted({ http: 45, noop: 15, log: 8, wait: 12, greet: 4, command: 14, spin: 1 })) {
    case 'http':
      return { target: receiver.target(random), payload: { n: random.int(0, 9) } }
    case 'noop':
      return { target: { handler: { handler: 'noop' } } }
    case 'log':
      return { payload: ['one', 'two', { three: 3 }] }
    case 'wait':
      return { target: { handler: { handler: 'wait' } }, payload: { ms: random.int(10, 1_500) } }
    case 'greet':
      return { target: { handler: { handler: 'greet' } }, payload: { name: 'World' } }
    case 'spin':
      return { target: { handler: { handler: 'spin' } } }
    case 'command':
      return random.pick([
        { target: { command: { executable: '/bin/echo', args: ['hello'] } } },
        { target: { command: { executable: '/bin/false' } } },
        { target: { command: { executable: '/bin/sleep', args: ['0.3'] } } },
        { target: { command: { executable: '/bin/sleep', args: ['20'] } } },
      ])
  }
}
