import { Worker } from 'node:worker_threads'

/** GraphiQL as one page that loads nothing from anywhere. */
export interface Page {
  readonly html: Buffer
  readonly gzip: Buffer
}

/**
 * The page, made when a browser first asks for it. It weighs 9 MB, and making it takes half a second: a thread does it, so that jobs fire
 * on time meanwhile, and takes the memory with it when it ends.
 */
export function graphiqlPage(): () => Promise<Page> {
  let page: Promise<Page> | null = null
  return () => {
    page ??= render().catch((error: unknown) => {
      page = null
      throw error
    })
    return page
  }
}

function render(): Promise<Page> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./graphiqlRenderer.ts', import.meta.url))
    worker.once('message', ({ html, gzip }: { html: Uint8Array<ArrayBuffer>; gzip: Uint8Array<ArrayBuffer> }) =>
      resolve({
        html: Buffer.from(html.buffer, html.byteOffset, html.byteLength),
        gzip: Buffer.from(gzip.buffer, gzip.byteOffset, gzip.byteLength),
      }),
    )
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`the thread that renders GraphiQL ended with code ${code}`)))
  })
}
