// Runs in a thread of its own: see graphiqlPage.ts.
import { parentPort } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import { renderGraphiQL } from '@graphql-yoga/render-graphiql'
import { exampleOperations } from '../api/exampleOperations.ts'
import { FAVICON } from './favicon.ts'

const html = Buffer.from(
  renderGraphiQL({
    title: 'Orrery',
    logo: FAVICON,
    favicon: `data:image/svg+xml,${encodeURIComponent(FAVICON)}`,
    endpoint: '/graphql',
    subscriptionsProtocol: 'WS',
    defaultTabs: exampleOperations.map(({ query }) => ({ query })),
    schemaDescription: true,
    inputValueDeprecation: true,
  }),
  'utf8',
)
const page = { html: new Uint8Array(html), gzip: new Uint8Array(gzipSync(html)) }
parentPort?.postMessage(page, [page.html.buffer, page.gzip.buffer])
