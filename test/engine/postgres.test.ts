import { engineContract } from './contract.ts'
import { openPostgresDatabase } from './openPostgres.ts'

// Side by side: they wait for the server half of the time, each with a database of its own.
engineContract('Postgres', openPostgresDatabase, 4)
