import type { HandlerContext } from './handler.d.ts'

// The least there is to a handler: a function. Its name is the file's, `greet`.
export default function greet({ payload, scheduledFor, log }: HandlerContext<{ name?: string } | undefined>) {
  const greeting = `Hello, ${payload?.name ?? 'world'}!`
  log.info(greeting, { scheduledFor })
  return { greeting }
}
