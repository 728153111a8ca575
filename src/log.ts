import type { Writable } from 'node:stream'
import { destination, type Logger, pino, stdTimeFunctions } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from './config.ts'

export type Log = Logger

/** Where a secret could stand in what is logged. Values are replaced, names stay. */
const SECRETS = ['authorization', 'cookie', 'secret', 'signingSecret', 'webhook-signature']
const REDACTED = SECRETS.flatMap((name) => {
  const key = name.includes('-') ? `["${name}"]` : name
  return name.includes('-') ? [key, `*${key}`, `*.*${key}`] : [key, `*.${key}`, `*.*.${key}`]
})

/**
 * The log of the process, on standard error: standard output belongs to the one line that says the server is ready. Written at once
 * and in order, so that the last lines before an end are there.
 */
export function createLog(config: Pick<Config, 'logLevel' | 'logFormat'>, out: Writable | null = null): Log {
  const format = config.logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json')
  return pino(
    {
      level: config.logLevel,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      redact: { paths: REDACTED, censor: '[not shown]' },
      formatters: { level: (label) => ({ level: label }) },
    },
    format === 'json'
      ? (out ?? destination({ dest: 2, sync: true }))
      : pretty({
          destination: out ?? 2,
          sync: true,
          colorize: process.stderr.isTTY ?? false,
          translateTime: 'SYS:HH:MM:ss.l',
          ignore: 'pid,hostname',
        }),
  )
}
