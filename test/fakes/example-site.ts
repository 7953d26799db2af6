import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { DeskClient, DeskError } from '../../src/demo/desk-client.ts'
import { fieldKeys } from '../../src/demo/field-keys.ts'
import { INSTALLATION } from '../../src/main/configuration.ts'
import type { WrittenConfiguration } from '../../src/main/configuration-defaults.ts'
import { startSupervisor } from '../../src/main/supervisor.ts'
import type { Configuration, HostPort } from '../../src/wire/configuration.ts'
import { DnsServer } from './dns-server.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { sharedCertificates } from './shared-certificates.ts'
import { SipAuthority } from './sip-certificates.ts'
import { writeTestConfiguration } from './test-configuration.ts'
import type { PeerCall, TrunkPeer } from './trunk-peer.ts'

export const EXAMPLES = join(INSTALLATION, 'sbc-config/examples')
export const EXAMPLE_NAMES = ['freepbx', 'genesys', 'teams', 'twilio'] as const
export type ExampleName = (typeof EXAMPLE_NAMES)[number]

/** The name that the examples give us. */
export const OUR_NAME = 'sbc.example.com'
/** What the examples' password files hold here. */
export const PASSWORD = 'not a password of anybody'

const STEP_MS_MAX = 15_000
const READY_MS_MAX = 60_000
/** The shortest that the schema allows. */
const COOL_DOWN_MS = 500
const EVENT_TYPE = 101
/**
 * Twice, for a machine that does much else: the proof of a window has half a second, and keys that this process sends late
 * are other keys. Under a load of sixteen on two cores neither was needed once.
 */
const WINDOW_TRIES_MAX = 2
const FIELD_TRIES_MAX = 2
const ACCEPTED_MS_MAX = 12_000

export type ExampleSite = {
  readonly configuration: Configuration
  readonly authority: SipAuthority
  readonly dns: DnsServer
  /** Where the site takes calls by each transport. */
  readonly sip: { readonly udp: HostPort; readonly tcp: HostPort; readonly tls: HostPort }
  /**
   * One payment on a call that stands, asked for by the agent of a name: keys of the payer become a token, and the agent's
   * side hears none of them.
   */
  readonly pays: (t: Test, call: ExampleCall) => Promise<void>
}

export type ExampleCall = { readonly payer: PeerCall; readonly agent: PeerCall; readonly as: string }

/**
 * A folder as the head of an example asks for it: the file itself under another name, certificates, passwords, and the
 * authority of the peers. Nothing of it is the product's.
 */
export function prepareFolder(t: Test, authority: SipAuthority): string {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-example-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const own = authority.leaf({ dns: [OUR_NAME] })
  const files = {
    'tls/sip.crt': own.certificate,
    'tls/sip.key': own.key,
    'tls/authorities.crt': authority.certificate,
    'secrets/carrier-password': PASSWORD,
    'secrets/trunk-password': PASSWORD,
  }
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content, { mode: 0o600 })
  }
  symlinkSync(sharedCertificates(), join(folder, 'certs'))
  return folder
}

/**
 * Starts a whole site from an example. Changed are addresses, ports and intervals alone: `peers` says who stands for which
 * host of a target; names are resolved by a DNS server of the test.
 */
export async function startExample(
  t: Test,
  name: ExampleName,
  options: {
    readonly authority: SipAuthority
    readonly peers: Readonly<Record<string, TrunkPeer>>
  },
): Promise<ExampleSite> {
  const { authority, peers } = options
  const folder = prepareFolder(t, authority)
  const example = parse(readFileSync(join(EXAMPLES, `${name}.yaml`), 'utf8')) as WrittenConfiguration
  const dns = await DnsServer.open()
  t.teardown(() => dns.close())
  for (const [host, peer] of Object.entries(peers)) dns.set(host, 'A', [{ type: 'A', address: peer.address.host }])
  const local = async <Listen extends HostPort>(addresses: readonly Listen[]): Promise<Listen[]> =>
    Promise.all(addresses.map(async (address) => ({ ...address, host: '127.0.0.1', port: await freePort() })))
  const sip = {
    ...example.sip,
    udp: await local(example.sip.udp),
    tcp: await local(example.sip.tcp),
    ...(example.sip.tls ? { tls: { ...example.sip.tls, addresses: await local(example.sip.tls.addresses) } } : {}),
  }
  const { file, configuration } = await writeTestConfiguration({
    folder,
    certificates: sharedCertificates(),
    guards: 1,
    change: (written) => ({
      ...written,
      merchant: example.merchant,
      desk: { ...example.desk, host: written.desk.host, port: written.desk.port },
      sip: { ...sip, control: written.sip.control, resolvers: [dns.address] },
      trunks: example.trunks.map((trunk) => withPeers(trunk, peers)),
      routes: example.routes,
      forms: example.forms.map((form) => ({ ...form, coolDownMs: COOL_DOWN_MS })),
    }),
  })
  const started = await startSupervisor({ configurationFile: file, say: (line) => t.comment(line) })
  if (started.kind === 'refused') throw new Error(started.texts.join('\n'))
  t.teardown(() => started.supervisor.close())
  await untilTested(configuration)
  const nowhere = { host: '', port: 0 }
  const at = (addresses: readonly HostPort[] | undefined): HostPort => {
    const { host: listening, port: on } = addresses?.[0] ?? nowhere
    return { host: listening, port: on }
  }
  return {
    configuration,
    authority,
    dns,
    sip: { udp: at(sip.udp), tcp: at(sip.tcp), tls: at(configuration.sip.tls?.addresses) },
    pays: (inner, call) => pays(inner, deskOf(configuration, call.as), call),
  }
}

type WrittenTrunk = WrittenConfiguration['trunks'][number]

function withPeers(trunk: WrittenTrunk, peers: Readonly<Record<string, TrunkPeer>>): WrittenTrunk {
  const written = trunk.targets ?? (trunk.target === undefined ? [] : [trunk.target])
  const found = written.map((target) => {
    const peer = peers[target.host]
    if (peer === undefined) throw new Error(`nobody stands for ${target.host}`)
    const isName = /[a-z]/.test(target.host)
    return { peer, target: { ...target, host: isName ? target.host : peer.address.host, port: peer.address.port } }
  })
  const rest = Object.entries(trunk).filter(([key]) => key !== 'target')
  return {
    ...(Object.fromEntries(rest) as Omit<WrittenTrunk, 'target'>),
    sources: [...new Set(found.map(({ peer }) => peer.address.host))],
    targets: found.map(({ target }) => target),
    // Asked every second, so that nothing waits for the first time.
    ...(trunk.health === null ? {} : { health: { ...trunk.health, everySeconds: 1 } }),
  }
}

async function untilTested(configuration: Configuration): Promise<void> {
  const { host, ports } = configuration.metrics
  await eventually(async () => {
    const text = await fetch(`http://${host}:${ports.sbc}/metrics`).then(
      (response) => response.text(),
      () => '',
    )
    return /^tonewall_selftest_guards\{[^}]*state="in"[^}]*\} 1$/m.test(text)
  }, READY_MS_MAX)
}

/** As an agent does: once more when the masking could not be proven in time, on a machine that does much else. */
async function openWindow(desk: DeskClient, callId: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await desk.openWindow(callId, { form: 'card', masking: 'hard' })
    } catch (error) {
      if (tries === WINDOW_TRIES_MAX || !(error instanceof DeskError) || error.code !== 'not_proven') throw error
    }
  }
}

/** As people do: when the field is not accepted, the agent empties it and the customer types again. */
async function fills(
  desk: DeskClient,
  callId: string,
  field: { readonly payer: PeerCall; readonly index: number; readonly keys: string },
): Promise<void> {
  const { payer, index, keys } = field
  for (let tries = 1; ; tries += 1) {
    await payer.media.press(keys, payer.told)
    try {
      await desk.until(callId, ({ fields }) => fields[index]?.state === 'accepted', { deadlineMs: ACCEPTED_MS_MAX })
      return
    } catch (error) {
      if (tries === FIELD_TRIES_MAX) throw error
      await desk.clearField(callId)
    }
  }
}

/** An agent sees own calls alone: whoever else answered, the call would not be found. */
function deskOf(configuration: Configuration, name: string): DeskClient {
  const { host, port, agents } = configuration.desk
  const { tokenFile = '' } = agents.find((agent) => agent.name === name) ?? {}
  const token = readFileSync(tokenFile, 'utf8').split('\n')[0] ?? ''
  return new DeskClient({ address: `http://${host}:${port}`, token })
}

async function pays(t: Test, desk: DeskClient, call: ExampleCall): Promise<void> {
  const { payer, agent } = call
  payer.talks()
  agent.talks()
  await agent.media.hears(payer.media.mark)
  await payer.media.hears(agent.media.mark)
  const callId = await desk.findCall(payer.callId, { deadlineMs: STEP_MS_MAX })
  await openWindow(desk, callId)
  const from = agent.media.heard.length
  for (const [index, keys] of fieldKeys(new Date()).entries()) await fills(desk, callId, { payer, index, keys })
  const paid = await desk.until(callId, ({ token }) => token !== null, { deadlineMs: STEP_MS_MAX })
  const heard = agent.media.heard.slice(from)
  t.match(paid, { failure: null, lastFour: '1111' }, 'the keys became a token')
  t.ok(heard.length > 50, 'the agent heard the guard all the time')
  t.notOk(
    heard.some(({ type }) => type === EVENT_TYPE),
    'and no key',
  )
  await desk.until(callId, ({ state }) => state === 'closed', { deadlineMs: STEP_MS_MAX })
  await agent.media.hears(payer.media.mark)
  t.equal(payer.media.failures + agent.media.failures, 0, 'every packet came with the keys of the set-up')
}
