// One import a domain object; each adds its types and fields to the builder.
import './job.ts'
import './run.ts'
import './attempt.ts'
import './jobQueries.ts'
import './runQueries.ts'
import './logLine.ts'
import './node.ts'
import './preview.ts'
import './handlers.ts'
import './system.ts'
import './instances.ts'
import './viewer.ts'
import './jobMutations.ts'
import './runMutations.ts'
import './systemMutations.ts'
import './runEvents.ts'
import './logEvents.ts'
import { builder } from './builder.ts'
import { guardRootFields } from './scopes.ts'

/** The executable schema. It needs an ApiContext for every operation, and no database to be built. */
export const schema = guardRootFields(builder.toSchema())
