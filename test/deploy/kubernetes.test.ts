import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import * as apps from 'kubernetes-models/apps/v1'
import * as networking from 'kubernetes-models/networking.k8s.io/v1'
import * as core from 'kubernetes-models/v1'
import { UNNAMED } from '../../src/main/account.ts'
import { FLOWS, flowsOf, type FlowEnd } from '../../src/main/flows.ts'
import { listenAddresses } from '../../src/main/listen-address.ts'
import type { AccountName } from '../../src/wire/configuration.ts'
import { deployedSite, READERS } from '../fakes/deployed-site.ts'

const FOLDER = resolve(import.meta.dirname, '../../deploy/kubernetes')
const kustomization = parse(readFileSync(join(FOLDER, 'kustomization.yaml'), 'utf8')) as {
  readonly resources: readonly string[]
}
const documents = kustomization.resources.flatMap((name) =>
  parseAllDocuments(readFileSync(join(FOLDER, name), 'utf8')).map((document) => document.toJS() as Document),
)
const workloads = documents.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
const policies = documents.filter(({ kind }) => kind === 'NetworkPolicy')
/** No process of the product runs as this one. */
const OPERATOR = 61_007
const containers = workloads.flatMap(({ spec }) => spec?.template?.spec.containers ?? [])

type Container = {
  readonly name: string
  readonly command?: readonly string[]
  readonly args: readonly string[]
  readonly securityContext: { readonly runAsUser: number }
}
type PolicyPort = { readonly protocol: string; readonly port: number; readonly endPort?: number }
type Rule = {
  readonly ports: readonly PolicyPort[]
  readonly from?: readonly Peer[]
  readonly to?: readonly Peer[]
}
type Peer = {
  readonly ipBlock?: { readonly cidr: string }
  readonly namespaceSelector?: { readonly matchLabels: Readonly<Record<string, string>> }
  readonly podSelector?: { readonly matchLabels: { readonly app: string } }
}
type Document = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly spec?: {
    readonly policyTypes?: readonly string[]
    readonly ingress?: readonly Rule[]
    readonly egress?: readonly Rule[]
    readonly template?: {
      readonly spec: {
        readonly automountServiceAccountToken: boolean
        readonly hostNetwork?: boolean
        readonly containers: readonly Container[]
      }
    }
  }
}

t.test('the manifests are what the API of Kubernetes describes', (t) => {
  const kinds: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
    v1: core,
    'apps/v1': apps,
    'networking.k8s.io/v1': networking,
  }
  const check = (document: Document): void => {
    const Kind = kinds[document.apiVersion]?.[document.kind] as new (data: object) => { validate: () => void }
    new Kind(document).validate()
  }
  for (const document of documents) t.doesNotThrow(() => check(document), `${document.kind} ${document.metadata.name}`)
  const [policy] = policies
  t.throws(() => check({ ...(policy as Document), spec: { policyTypes: 'Ingress' as unknown as string[] } }))
  t.same(
    [...kustomization.resources].sort(),
    readdirSync(FOLDER)
      .filter((name) => !/^(tonewall|kustom)/.test(name))
      .sort(),
  )
  t.end()
})

t.test('every container is its own user, without rights, on a file system that it cannot write', (t) => {
  for (const { name, securityContext } of containers) {
    const role = name.replace(/-\d+$/, '') as AccountName | 'operator'
    const user = role === 'operator' ? OPERATOR : UNNAMED[role]
    t.match(
      securityContext,
      {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        runAsUser: user,
        runAsGroup: user,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      },
      name,
    )
  }
  t.same(containers.map(({ name }) => name).sort(), [
    'desk',
    'guard-1',
    'operator',
    'rtpengine',
    'sbc',
    'sipd',
    'vault',
  ])
  t.notOk(Object.values<number>(UNNAMED).includes(OPERATOR))
  for (const { spec, metadata } of workloads) {
    const pod = spec?.template?.spec
    t.equal(pod?.automountServiceAccountToken, false, metadata.name)
    t.equal(pod?.hostNetwork === true, metadata.name === 'media', metadata.name)
  }
  t.end()
})

t.test("rtpengine does not run its image's own entrypoint, and neither logs keys nor records", (t) => {
  const { command, args = [] } = containers.find(({ name }) => name === 'rtpengine') ?? {}
  t.same(command, ['rtpengine'])
  t.notMatch(args.join(' '), /dtmf|record/i)
  t.end()
})

t.test('a namespace lets nothing in or out but flows of the product, to ports that the site listens on', (t) => {
  const namespaces = documents.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata.name)
  for (const name of namespaces) {
    const nothing = policies.find(({ metadata }) => metadata.namespace === name && metadata.name === 'nothing')
    t.same(nothing?.spec, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }, name)
  }
  const flows = FLOWS.map(({ name }) => name)
  const loaded = deployedSite(t, () => join(FOLDER, 'tonewall.yaml')).get('guard')
  const ports = loaded?.kind === 'loaded' ? listenAddresses(loaded.configuration).map(({ port }) => port) : []
  for (const { metadata, spec } of policies.filter(({ metadata: { name } }) => name !== 'nothing')) {
    const { name } = metadata
    t.ok(
      flows.some((flow) => flow === name || flow.startsWith(`${name}-`)),
      `${name} is a flow`,
    )
    for (const rule of [...(spec?.ingress ?? []), ...(spec?.egress ?? [])]) {
      t.ok((rule.from ?? rule.to ?? []).length > 0, `${name} is for somebody, not for all`)
      for (const { port } of spec?.ingress === undefined ? [] : rule.ports)
        t.ok(ports.includes(port), `${name} ${port}`)
    }
  }
  t.end()
})

/** The pods of each end of a flow; guards and rtpengine have their node's network, where policies do not hold. */
const PODS: Readonly<Partial<Record<FlowEnd, string>>> = {
  sipd: 'edge',
  sbc: 'edge',
  vault: 'vault',
  desk: 'desk',
  operator: 'operator',
}
/** Whoever is not in a pod of ours. */
const OUTSIDE: Readonly<Partial<Record<FlowEnd, string>>> = {
  carrier: '203.0.113.0/28',
  'contact-centre': '198.51.100.80/28',
  browser: '198.51.100.80/28',
  guard: '198.51.100.42/32',
  rtpengine: '198.51.100.42/32',
  database: '198.51.100.50/32',
  prometheus: 'monitoring',
}

/** An address, a namespace, or one kind of pods in it. */
function peerText({ ipBlock, namespaceSelector, podSelector }: Peer): string {
  const namespace = namespaceSelector?.matchLabels['kubernetes.io/metadata.name'] ?? ''
  return ipBlock?.cidr ?? [namespace, ...(podSelector === undefined ? [] : [podSelector.matchLabels.app])].join('/')
}

t.test(
  'each flow of the site may leave the pod that begins it and enter the pod that answers, and an operator reaches two pods',
  (t) => {
    const loaded = deployedSite(t, () => join(FOLDER, 'tonewall.yaml')).get('guard')
    if (loaded?.kind !== 'loaded') throw new Error('a guard takes it')
    const namesOf = (end: FlowEnd): readonly string[] => {
      const pod = PODS[end] ?? end
      const outside = OUTSIDE[end]
      return outside === undefined ? [`tonewall-${pod}`, `tonewall-${pod}/${pod}`] : [outside]
    }
    const allows = (
      pod: string,
      direction: 'ingress' | 'egress',
      peer: FlowEnd,
      transport: string,
      port: number,
    ): boolean =>
      policies.some(({ metadata, spec }) => {
        if (metadata.namespace !== `tonewall-${pod}`) return false
        return (spec?.[direction] ?? []).some(({ ports, from, to }) => {
          const isPeer = (from ?? to ?? []).some((one) => namesOf(peer).includes(peerText(one)))
          const isPort = (each: PolicyPort) =>
            each.protocol === transport.toUpperCase() && port >= each.port && port <= (each.endPort ?? each.port)
          return isPeer && ports.some(isPort)
        })
      })
    for (const { name, from, to, transport, addresses } of flowsOf(loaded.configuration)) {
      const [begins, answers] = [PODS[from], PODS[to]]
      if (begins === answers) continue
      for (const { port } of addresses) {
        if (port === null) continue
        if (begins !== undefined)
          t.ok(allows(begins, 'egress', to, transport, port), `${name} leaves ${begins} for ${port}`)
        if (answers !== undefined)
          t.ok(allows(answers, 'ingress', from, transport, port), `${name} enters ${answers} at ${port}`)
      }
    }
    const ofOperators = policies.filter(({ metadata: { name } }) => name.endsWith('-operator'))
    t.same(
      ofOperators.map(({ metadata: { name, namespace } }) => `${name} in ${namespace ?? ''}`).sort(),
      ['edge', 'operator', 'operator', 'vault']
        .map((pod, index) => `${index < 2 ? 'sbc' : 'vault'}-operator in tonewall-${pod}`)
        .sort(),
    )
    t.end()
  },
)

t.test('the sites of the manifests are taken by each role, and differ in an address alone', (t) => {
  const fileOf = { sipd: '-edge', sbc: '-edge', guard: '', vault: '-vault', desk: '', operator: '' }
  const sites = deployedSite(t, (role) => join(FOLDER, `tonewall${fileOf[role]}.yaml`))
  for (const role of READERS) t.match(sites.get(role), { kind: 'loaded' }, role)
  const lines = (name: string) =>
    readFileSync(join(FOLDER, name), 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith('#'))
  const shared = lines('tonewall.yaml')
  for (const name of ['tonewall-edge.yaml', 'tonewall-vault.yaml']) {
    const differing = lines(name).filter((line, index) => line !== shared[index])
    t.equal(differing.length, 1, name)
    t.match(differing[0], /host: 0\.0\.0\.0/)
  }
  t.end()
})
