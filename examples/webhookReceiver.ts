// Receives requests of Orrery and checks who sent them:
//   ORRERY_SECRET=$(npm run --silent signing-secret) node examples/webhookReceiver.ts
import { createServer } from 'node:http'
import { Webhook } from 'standardwebhooks'

const secret = process.env.ORRERY_SECRET
if (secret === undefined) throw new Error('ORRERY_SECRET is not set; `npm run --silent signing-secret` prints it')
const webhook = new Webhook(secret)
const done = new Set<string>()

const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  const headers = request.headers as Record<string, string>
  try {
    webhook.verify(body, headers, { jsonParse: false })
  } catch {
    response.writeHead(401).end('the signature does not fit')
    return
  }
  const run = headers['webhook-id']!
  // A run may be performed more than once; its id is the same every time.
  const repeated = done.has(run)
  done.add(run)
  console.log(
    `${run} attempt ${headers['orrery-attempt']} for ${headers['orrery-scheduled-for']}${repeated ? ', known already' : ''}: ${body}`,
  )
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ repeated }))
})
server.listen(Number(process.env.PORT ?? 4001), '127.0.0.1', () => {
  const address = server.address()
  console.log(`listening on http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`)
})
