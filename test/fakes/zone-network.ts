import { execFile, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const RULES = resolve(import.meta.dirname, '../../deploy/nftables')
const COMMAND_MS_MAX = 20_000
const NO_IPV6 = '/proc/sys/net/ipv6/conf/all/disable_ipv6'

/** Each zone's side of its cable to the wall, and the addresses of those in it. */
export const ZONE_NAMES = ['carrier', 'edge', 'cde', 'contact', 'mgmt'] as const
export type ZoneName = (typeof ZONE_NAMES)[number]
const NETS: Readonly<Record<ZoneName, number>> = { carrier: 1, edge: 2, cde: 3, contact: 4, mgmt: 5 }

export function addressIn(zone: ZoneName, host: 'first' | 'second' = 'first'): string {
  return `10.66.${NETS[zone]}.${host === 'first' ? 10 : 20}`
}

/** What deploy/nftables/zones.nft says, for these addresses; media ports and all else as in the shipped tonewall.yaml. */
const DEFINITIONS: Readonly<Record<string, string>> = {
  CARRIER: '"carrier"',
  EDGE: '"edge"',
  CDE: '"cde"',
  CONTACT_CENTRE: '"contact"',
  MANAGEMENT: '"mgmt"',
  EDGE_NET: '10.66.2.0/24',
  CDE_NET: '10.66.3.0/24',
  CONTACT_CENTRE_NET: '10.66.4.0/24',
  MANAGEMENT_NET: '10.66.5.0/24',
  SIPD: addressIn('edge'),
  SBC: addressIn('edge'),
  RTPENGINE: addressIn('cde'),
  GUARD: addressIn('cde'),
  VAULT: addressIn('cde'),
  DESK: addressIn('contact'),
  OPERATOR: `{ ${addressIn('mgmt')} }`,
  CARRIER_PEERS: `{ ${addressIn('carrier')} }`,
  CONTACT_CENTRE_PEERS: `{ ${addressIn('contact', 'second')} }`,
}

/**
 * Five network namespaces, each with a cable to a sixth that routes between them under the rules of deploy/nftables. Their
 * names are of this run alone, and close() takes them away with all that is in them. Needs root.
 */
export class ZoneNetwork {
  readonly #prefix = `tw${randomBytes(3).toString('hex')}-`

  /** A reason, where this machine does not let us make namespaces and rules; else null. */
  static whyNot(): string | null {
    if (process.getuid?.() !== 0) return 'this is not root'
    const name = `tw${randomBytes(3).toString('hex')}-probe`
    const added = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' })
    if (added.status !== 0) return `no network namespace can be made: ${added.stderr || 'ip is missing'}`
    const rules = spawnSync('ip', ['netns', 'exec', name, 'nft', 'add table inet probe'], { encoding: 'utf8' })
    spawnSync('ip', ['netns', 'del', name])
    return rules.status === 0 ? null : `no rules can be loaded: ${rules.stderr}`
  }

  /** Rules are loaded from a copy in `folder`, with the addresses of this network beside them. */
  static async open(folder: string): Promise<ZoneNetwork> {
    const network = new ZoneNetwork()
    try {
      await network.#build()
      mkdirSync(join(folder, 'nftables'))
      const rules = join(folder, 'nftables/tonewall.nft')
      copyFileSync(join(RULES, 'tonewall.nft'), rules)
      writeFileSync(join(folder, 'nftables/zones.nft'), definitions())
      await run(...network.within('wall', ['nft', '-I', join(folder, 'nftables'), '-f', rules]), LIMITS)
      return network
    } catch (error) {
      await network.close()
      throw error
    }
  }

  /** A command so that it runs in a zone: the program, and its arguments. */
  within(zone: ZoneName | 'wall', command: readonly string[]): [string, string[]] {
    return ['ip', ['netns', 'exec', this.#prefix + zone, ...command]]
  }

  /** What the wall has counted, by name; each begins a flow, or was dropped. */
  async counters(): Promise<Readonly<Record<string, number>>> {
    const { stdout } = await run(...this.within('wall', ['nft', '-j', 'list counters table inet tonewall']), LIMITS)
    const { nftables } = JSON.parse(stdout) as {
      readonly nftables: readonly { readonly counter?: { readonly name: string; readonly packets: number } }[]
    }
    return Object.fromEntries(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])))
  }

  /** Sends one datagram, or tries one connection, from a zone to where it may have no business. */
  async probe(from: ZoneName, transport: 'udp' | 'tcp', address: string, port: number): Promise<'went' | 'failed'> {
    const script = `timeout ${PROBE_S} bash -c 'echo probe > /dev/${transport}/${address}/${port}'`
    const ended = await run(...this.within(from, ['sh', '-c', script]), LIMITS).then(
      () => 'went' as const,
      () => 'failed' as const,
    )
    return ended
  }

  /** Safe to call twice. What still runs in a namespace keeps it alive without a name: end that first. */
  async close(): Promise<void> {
    for (const zone of [...ZONE_NAMES, 'wall'])
      await run('ip', ['netns', 'del', this.#prefix + zone], LIMITS).catch(() => undefined)
  }

  async #build(): Promise<void> {
    const wall = this.#prefix + 'wall'
    await run('ip', ['netns', 'add', wall], LIMITS)
    const settings = `echo 1 > ${NO_IPV6} || :; echo 1 > /proc/sys/net/ipv4/ip_forward`
    await run(...this.within('wall', ['sh', '-c', settings]), LIMITS)
    for (const zone of ZONE_NAMES) {
      const name = this.#prefix + zone
      const net = `10.66.${NETS[zone]}`
      await run('ip', ['netns', 'add', name], LIMITS)
      await run(
        'ip',
        ['-n', wall, 'link', 'add', 'name', zone, 'type', 'veth', 'peer', 'name', 'zone', 'netns', name],
        LIMITS,
      )
      await run('ip', ['-n', wall, 'address', 'add', `${net}.1/24`, 'dev', zone], LIMITS)
      await run('ip', ['-n', wall, 'link', 'set', 'dev', zone, 'up'], LIMITS)
      for (const host of ['first', 'second'] as const)
        await run('ip', ['-n', name, 'address', 'add', `${addressIn(zone, host)}/24`, 'dev', 'zone'], LIMITS)
      await run('ip', ['-n', name, 'link', 'set', 'dev', 'lo', 'up'], LIMITS)
      await run('ip', ['-n', name, 'link', 'set', 'dev', 'zone', 'up'], LIMITS)
      await run('ip', ['-n', name, 'route', 'add', 'default', 'via', `${net}.1`], LIMITS)
    }
  }
}

/** Room for a second and a third SYN (RFC 6298), of which one is captured on a busy machine, too. */
const PROBE_S = 4
const LIMITS = { timeout: COMMAND_MS_MAX, encoding: 'utf8' } as const

/** The shipped zones.nft with our addresses in it: a name that it has not would be a mistake here. */
function definitions(): string {
  let text = readFileSync(join(RULES, 'zones.nft'), 'utf8')
  for (const [name, value] of Object.entries(DEFINITIONS)) {
    const line = new RegExp(`^define ${name} = .*$`, 'm')
    if (!line.test(text)) throw new Error(`zones.nft does not define ${name}`)
    text = text.replace(line, `define ${name} = ${value}`)
  }
  return text
}
