import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { readConfig } from '../../src/config.ts'
import { ROLES, VARIABLES } from '../../src/configVariables.ts'
import { parseDuration } from '../../src/domain/duration.ts'
import { SECOND } from '../../src/domain/instant.ts'
import { MAX_BODY } from '../../src/server/requestBody.ts'
import { VERSION } from '../../src/version.ts'
import { startTestServer, type TestServer } from '../server/testServer.ts'
import { type ComposeService, type KubernetesObject, read, readCompose, readKubernetes, readKustomization } from './manifests.ts'

// compose.yaml, deploy/ and the product speak of the same ports, paths, variables and times. No cluster is needed to see where they do not.

const compose = readCompose()
const processes = Object.entries(compose.services).filter(([, { image }]) => image.startsWith('orrery:'))
const files = readKubernetes()
const objects = [...files.values()].flat()
const deployments = objects.filter(({ kind }) => kind === 'Deployment')
const find = (kind: string, name: string): KubernetesObject =>
  objects.find((each) => each.kind === kind && each.metadata.name === name) ?? assert.fail(`there is no ${kind} ${name}`)
const container = (deployment: KubernetesObject): KubernetesObject => deployment.spec.template.spec.containers[0]

const configuration: Record<string, string> = find('ConfigMap', 'orrery').data
const secret: Record<string, string> = find('Secret', 'orrery').stringData
const environments: readonly (readonly [where: string, Readonly<Record<string, string>>])[] = [
  ...processes.map(([name, { environment }]) => [`compose.yaml: ${name}`, environment!] as const),
  ...deployments.map((each) => {
    const own: { name: string; value: string }[] = container(each).env
    return [
      each.metadata.name,
      { ...configuration, ...secret, ...Object.fromEntries(own.map(({ name, value }) => [name, value])) },
    ] as const
  }),
]

test('every variable is one of the product, with a value that it takes', () => {
  assert.equal(environments.length, 7)
  for (const [where, environment] of environments) {
    for (const [name, value] of Object.entries(environment)) {
      assert.ok(name in VARIABLES, `${where}: ${name}`)
      assert.equal(typeof value, 'string', `${where}: ${name} is no text to YAML`)
    }
    const config = readConfig(environment)
    assert.deepEqual([config.port, config.host, config.logFormat], [4000, '0.0.0.0', 'json'], where)
    assert.match(config.databaseUrl, /^postgres:/, where)
  }
})

test('each role has two processes', () => {
  for (const role of ROLES) {
    const own = processes.filter(([, { environment }]) => environment?.ORRERY_ROLES === role)
    assert.equal(
      own.map(([, { deploy }]) => deploy?.replicas ?? 1).reduce((sum, each) => sum + each, 0),
      2,
      role,
    )
    assert.deepEqual(container(find('Deployment', `orrery-${role}`)).env, [{ name: 'ORRERY_ROLES', value: role }])
  }
})

test('no process is killed before it has drained', () => {
  const longerThan = (grace: number | null, environment: Readonly<Record<string, string>>, where: string): void => {
    const drain = parseDuration(environment.ORRERY_DRAIN_TIMEOUT!)
    assert.ok(grace! >= drain! + 10 * SECOND, `${where}: ${grace} ms for ${drain} ms`)
  }
  for (const [name, { stop_grace_period, environment }] of processes) longerThan(parseDuration(stop_grace_period), environment!, name)
  for (const { metadata, spec } of deployments) {
    const { terminationGracePeriodSeconds, containers } = spec.template.spec
    const before = containers[0].lifecycle?.preStop.sleep.seconds ?? 0
    longerThan((terminationGracePeriodSeconds - before) * SECOND, configuration, metadata.name)
  }
})

test('images are of this version', () => {
  assert.equal(processes.length, 4)
  for (const [name, { image }] of processes) assert.equal(image, `orrery:${VERSION}`, name)
  for (const each of deployments) assert.equal(container(each).image, 'orrery')
  assert.deepEqual(readKustomization().images, [{ name: 'orrery', newTag: VERSION }])
})

test('processes of Compose may do no more than they need, wait for the database, and come back', () => {
  for (const [name, service] of Object.entries(compose.services)) {
    assert.deepEqual([service.restart, service.read_only, service.security_opt], ['unless-stopped', true, ['no-new-privileges:true']], name)
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      assert.ok(other in compose.services, `${name} waits for ${other}`)
      assert.equal(condition, 'service_healthy')
    }
  }
  for (const [name, { depends_on }] of processes) assert.ok('postgres' in depends_on!, name)
})

test('only NGINX is published, and to this machine alone', () => {
  const published = Object.entries(compose.services).filter(([, { ports }]) => ports !== undefined)
  assert.deepEqual(
    published.map(([name, { ports }]) => [name, ports]),
    [['nginx', ['127.0.0.1:4000:8080']]],
  )
  assert.deepEqual(new Set(read('deploy/nginx.conf').match(/(?<=^ +listen )\d+/gm)), new Set(['8080']))
})

test('NGINX knows every api process, by an address that stays', () => {
  const servers = [...read('deploy/apiServers.conf').matchAll(/^server (\S+):(\d+) /gm)].map(([, name, port]) => [name, port])
  const api = processes.filter(([, { environment }]) => environment?.ORRERY_ROLES === 'api')
  assert.deepEqual(
    servers,
    api.map(([name, { environment }]) => [name, environment?.PORT]),
  )
  const { subnet, ip_range: byChance } = compose.networks.front!.ipam!.config[0]!
  const addresses = api.map(
    ([, { networks }]) => (networks as Exclude<typeof networks, readonly string[] | undefined>).front!.ipv4_address!,
  )
  assert.equal(new Set(addresses).size, servers.length)
  for (const address of addresses) {
    assert.ok(isWithin(address, subnet), `${address} in ${subnet}`)
    assert.ok(!isWithin(address, byChance), `${address} may be given to another`)
  }
  assert.deepEqual(compose.services.nginx!.networks, ['front'])
  const mounted = compose.services.nginx!.volumes!.flatMap((each) =>
    typeof each !== 'string' && each.type === 'bind' ? [each.source] : [],
  )
  assert.deepEqual(mounted, ['./deploy/nginx.conf', './deploy/apiServers.conf'])
})

test('NGINX takes more than the server does, and says the same of what is too large', () => {
  const text = read('deploy/nginx.conf')
  assert.equal(/client_max_body_size +(\S+);/.exec(text)?.[1], '1m')
  assert.ok(MAX_BODY < 1_048_576)
  assert.ok(text.includes(`larger than ${MAX_BODY} bytes`))
})

describe('paths', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer()
  })
  after(() => server[Symbol.asyncDispose]())

  test('every path that is asked for is answered by the server', async () => {
    const asked = new Set<string>(read('deploy/nginx.conf').match(/(?<=location = )\/health\S+/g))
    for (const [, { healthcheck }] of processes) asked.add(pathOf(healthcheck))
    asked.add(pathOf(compose.services.nginx!.healthcheck))
    for (const each of deployments) {
      const { startupProbe, livenessProbe, readinessProbe, ports } = container(each)
      for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
        asked.add(httpGet.path)
        assert.equal(httpGet.port, ports[0].name)
      }
      // A process that waits for the database is alive: to end it would not bring the database back.
      assert.deepEqual(
        [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path),
        ['/health/live', '/health/live', '/health/ready'],
      )
    }
    asked.add(/(?<=\$\{process\.env\.PORT\})\/health\/\w+/.exec(read('Dockerfile'))![0])
    assert.deepEqual([...asked].sort(), ['/health/live', '/health/ready'])
    for (const path of asked) assert.equal((await fetch(`${server.url}${path}`)).status, 200, path)

    const routed: { value: string }[] = find('HTTPRoute', 'orrery').spec.rules.flatMap((rule: KubernetesObject) =>
      rule.matches.map(({ path }: KubernetesObject) => path),
    )
    assert.ok(routed.length > 0)
    for (const { value } of routed) assert.notEqual((await fetch(`${server.url}${value}`)).status, 404, value)
  })
})

test('Kubernetes sets no variable of its own, which would keep the product from starting', () => {
  for (const { metadata, spec } of deployments) assert.equal(spec.template.spec.enableServiceLinks, false, metadata.name)
})

test('what refers to another object of Kubernetes finds it', () => {
  const named = (kind: string) => objects.filter((each) => each.kind === kind)
  for (const each of deployments) {
    const { selector, template } = each.spec
    assert.deepEqual(template.metadata.labels, selector.matchLabels)
    for (const { configMapRef, secretRef } of container(each).envFrom) {
      if (configMapRef) find('ConfigMap', configMapRef.name)
      else find('Secret', secretRef.name)
    }
    assert.equal(container(each).ports[0].containerPort, 4000)
  }
  const selectors = [
    ...named('Service').map(({ spec }) => spec.selector),
    ...named('PodDisruptionBudget').map(({ spec }) => spec.selector.matchLabels),
  ]
  assert.equal(selectors.length, 4)
  for (const selector of selectors) assert.ok(deployments.some(({ spec }) => same(spec.selector.matchLabels, selector)))
  for (const { spec } of [...named('HorizontalPodAutoscaler'), ...named('ScaledObject')]) {
    const scaled = find(spec.scaleTargetRef.kind, spec.scaleTargetRef.name)
    // Two who decide how many there are would take turns.
    const removed = readKustomization('keda').patches.some((patch: KubernetesObject) => patch.target.name === scaled.metadata.name)
    assert.ok(scaled.spec.replicas === undefined || removed, scaled.metadata.name)
  }
  for (const { backendRefs } of find('HTTPRoute', 'orrery').spec.rules)
    for (const { name, port } of backendRefs) assert.equal(find('Service', name).spec.ports[0].port, port)
  const { secretTargetRef } = find('TriggerAuthentication', 'orrery-database').spec
  assert.ok(secretTargetRef[0].key in find('Secret', secretTargetRef[0].name).stringData)
  assert.equal(find('ScaledObject', 'orrery-worker').spec.triggers[0].authenticationRef.name, 'orrery-database')
})

test('kustomize takes in every file but the example of a secret', () => {
  const taken = [
    ...readKustomization().resources,
    ...['keda', 'gateway'].flatMap((part) => readKustomization(part).resources.map((file: string) => `${part}/${file}`)),
  ]
  assert.deepEqual([...taken, 'secret.example.yaml'].sort(), [...files.keys()])
})

test('a worker more comes when three quarters of what the others take are under way', () => {
  const [trigger] = find('ScaledObject', 'orrery-worker').spec.triggers
  assert.equal(Number(trigger.metadata.targetQueryValue), Number(configuration.ORRERY_CONCURRENCY) * 0.75)
})

/** The path in the command of a health check. */
function pathOf({ test: command }: ComposeService['healthcheck']): string {
  return /\/health\/\w+/.exec(command.join(' '))![0]
}

function same(one: object, other: object): boolean {
  return JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort())
}

function isWithin(address: string, network: string): boolean {
  const number = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const [base, length] = network.split('/') as [string, string]
  const size = 2 ** (32 - Number(length))
  return Math.floor(number(address) / size) === Math.floor(number(base) / size)
}
