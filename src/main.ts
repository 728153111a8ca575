#!/usr/bin/env node
import { ConfigError, environment, helpText, preferProduction, readConfig } from './config.ts'
import { createLog } from './log.ts'
import { VERSION } from './version.ts'

/** How an operator's mistake ends the process; a defect of ours does too, and the restart recovers. */
const FAILED = 1

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  process.stdout.write(helpText())
} else if (process.argv.includes('--version') || process.argv.includes('-v')) {
  process.stdout.write(`${VERSION}\n`)
} else {
  await main()
}

/** Starts the services, says where it listens, and stops them in reverse on a signal. */
async function main(): Promise<void> {
  const config = configOrExit()
  const log = createLog(config)
  const defect = (error: unknown) => {
    log.fatal({ err: error }, 'a defect of the product: the process ends, and the next start recovers what was under way')
    process.exit(FAILED)
  }
  process.on('uncaughtException', defect)
  process.on('unhandledRejection', defect)

  // Loaded here: --help and a mistake in the configuration answer at once, and libraries see the environment as it shall be.
  preferProduction()
  const { createOrrery } = await import('./orrery.ts')
  const orrery = createOrrery(config, log)
  let stopping = false
  const stop = async (signal: NodeJS.Signals) => {
    if (stopping) {
      log.warn({ signal }, 'a second signal: ending at once; the next start recovers what was under way')
      process.exit(FAILED)
    }
    stopping = true
    log.info({ signal }, 'stopping')
    await orrery.stop()
    log.info('stopped')
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)

  try {
    const { url } = await orrery.start()
    const at = config.roles.includes('api') ? `${url}/graphql` : `${url} as ${config.roles.join(',')}`
    if (!stopping) process.stdout.write(`orrery ready on ${at}\n`)
  } catch (error) {
    // A start that was told to end says so; the stop under way ends the process.
    if (stopping) return
    // What the operator can mend carries its reason in its message; a stack says nothing more.
    const reason = error instanceof Error ? error.message : String(error)
    log.fatal(isOperatorsMatter(error) ? {} : { err: error }, reason)
    await orrery.stop()
    process.exit(FAILED)
  }
}

function configOrExit() {
  try {
    return readConfig(environment())
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\nRun with --help for all variables.\n`)
    process.exit(FAILED)
  }
}

/** Errors that say themselves what to do: a file in use, a setting that is wrong, a port taken. */
function isOperatorsMatter(error: unknown): boolean {
  const name = (error as { name?: unknown } | null)?.name
  const code = (error as { code?: unknown } | null)?.code
  return name === 'EngineStartError' || name === 'ConfigError' || code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL'
}
