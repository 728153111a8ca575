import { engineContract } from './contract.ts'
import { openSqliteDatabase } from './openSqlite.ts'

engineContract('SQLite', (t) => openSqliteDatabase(t))
