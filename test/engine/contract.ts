import { describe, type TestContext } from 'node:test'
import type { Engine } from '../../src/engine/engine.ts'
import { ageingContract } from './contract/ageing.ts'
import { commandContract } from './contract/commands.ts'
import { figureContract } from './contract/figures.ts'
import { handlerContract } from './contract/handlers.ts'
import { holdContract } from './contract/holds.ts'
import { instanceContract } from './contract/instances.ts'
import { jobEventContract } from './contract/jobEvents.ts'
import { jobListContract } from './contract/jobLists.ts'
import { keepingContract } from './contract/keeping.ts'
import { ledgerContract } from './contract/ledger.ts'
import { logContract } from './contract/logs.ts'
import { maintenanceContract } from './contract/maintenance.ts'
import { planContract } from './contract/plans.ts'
import { queueContract } from './contract/queue.ts'
import { retentionContract } from './contract/retention.ts'
import { runListContract } from './contract/runLists.ts'
import { runningContract } from './contract/running.ts'
import { settlingContract } from './contract/settling.ts'
import { streamContract } from './contract/stream.ts'
import { wildTextContract } from './contract/wildText.ts'

/** A database that is empty at first. It may be opened again after its engine was closed. */
export interface TestDatabase {
  /** Closed when the test ends, if it was not before. */
  open(instanceId?: string): Promise<Engine>
}

/** Makes a database of its own for a test. */
export type OpenTestDatabase = (t: TestContext) => Promise<TestDatabase>

/**
 * What every engine must hold, whatever its database: one suite, unchanged. It asks through the ports, and reads what no port shows
 * (verdicts, figures, log lines) through the engine's Prisma client, as the API does.
 */
export function engineContract(name: string, openTestDatabase: OpenTestDatabase, concurrency = 1): void {
  const open = async (t: TestContext) => (await openTestDatabase(t)).open()
  describe(`the contract of engines: ${name}`, { concurrency }, () => {
    commandContract(open)
    wildTextContract(open)
    planContract(open)
    holdContract(open)
    runningContract(open)
    settlingContract(open)
    ledgerContract(open)
    figureContract(open, openTestDatabase)
    logContract(open, openTestDatabase)
    jobListContract(open)
    runListContract(open)
    streamContract(open, openTestDatabase)
    jobEventContract(open)
    keepingContract(open, openTestDatabase)
    retentionContract(open)
    ageingContract(open)
    queueContract(open)
    maintenanceContract(open, openTestDatabase)
    instanceContract(open)
    handlerContract(open)
  })
}
