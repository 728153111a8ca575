import { engineContract } from './contract.ts'
import { openPostgresDatabase } from './openPostgres.ts'

engineContract('Postgres', openPostgresDatabase)
