import { globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

// The files of the deployment as data.

const root = join(import.meta.dirname, '../..')
// It has no types of its own.
const yaml = createRequire(import.meta.url)('js-yaml') as { loadAll(text: string): unknown[] }

export const read = (path: string): string => readFileSync(join(root, path), 'utf8')

export interface ComposeService {
  readonly image: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly networks?: readonly string[] | Readonly<Record<string, { readonly ipv4_address?: string }>>
  readonly ports?: readonly string[]
  readonly stop_grace_period: string
  readonly restart: string
  readonly read_only?: boolean
  readonly security_opt?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck: { readonly test: readonly string[] }
  readonly deploy?: { readonly replicas?: number }
  readonly volumes?: readonly (string | { readonly source?: string; readonly target: string; readonly type: string })[]
}

export interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly networks: Readonly<Record<string, { readonly ipam?: { readonly config: readonly { subnet: string; ip_range: string }[] } }>>
}

/** compose.yaml as Compose reads it where nothing is set. */
export function readCompose(): Compose {
  return interpolated(yaml.loadAll(read('compose.yaml'))[0]) as Compose
}

function interpolated(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(interpolated)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, interpolated(each)]))
  }
  if (typeof value !== 'string') return value
  return value.replace(/\$\$|\$\{([A-Z_]+)(?::-([^}]*))?\}/g, (written, name: string | undefined, standard: string | undefined) => {
    if (written === '$$') return '$'
    if (standard === undefined) throw new Error(`${name} has no default: Compose would read it as empty`)
    return standard
  })
}

/** Deeply optional: tests look at what they expect to be there. */
// biome-ignore lint/suspicious/noExplicitAny: objects of a dozen kinds, looked at in a few places each.
export type KubernetesObject = any

const folder = 'deploy/kubernetes'

/** The files of deploy/kubernetes but those of kustomize, by their path in it. */
export function readKubernetes(): ReadonlyMap<string, readonly KubernetesObject[]> {
  const paths = globSync('**/*.yaml', { cwd: join(root, folder) }).sort()
  return new Map(
    paths.filter((path) => !path.endsWith('kustomization.yaml')).map((path) => [path, yaml.loadAll(read(`${folder}/${path}`))]),
  )
}

export function readKustomization(within = '.'): KubernetesObject {
  return yaml.loadAll(read(join(folder, within, 'kustomization.yaml')))[0]
}
