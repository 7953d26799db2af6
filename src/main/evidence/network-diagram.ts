import { hostPortText } from '../../kit/host-text.ts'
import type { Configuration, HostPort, TrunkMedia } from '../../wire/configuration.ts'
import { flowsOf, type FlowAddress, type FlowEnd } from '../flows.ts'
import { siteDiagram, type BoxText, type PlacedFlow } from './site-diagram.ts'

/** Processes with their addresses, zones, and every connection between them (PCI DSS 1.2.3). */
export function networkDiagram(configuration: Configuration): string {
  const texts = textsOf(configuration)
  return siteDiagram({
    id: 'network',
    title: 'Network',
    description:
      'Five zones: carrier, edge, cardholder data environment, contact centre, and management with services outside, with the processes in each, their addresses, and what connects to what.',
    flows: flowsOf(configuration),
    text: (end) => texts[end] ?? { name: end, lines: [], digits: false },
    say: (flow) => sayFlow(flow, configuration),
    legend: 'From who connects to who listens. Thick red: card digits are in it.',
  })
}

/** `tcp 10.0.0.5:9201, TLS 1.3`: the port, and what protects it in this configuration. */
function sayFlow(flow: PlacedFlow, configuration: Configuration): string {
  const { transport, addresses } = flow
  const shown = addresses.slice(0, ADDRESSES_MAX).map((address) => addressText(address))
  const more = addresses.length > ADDRESSES_MAX ? [`${addresses.length - ADDRESSES_MAX} more`] : []
  return `${transport} ${[...shown, ...more].join(', ')} (${protectionOf(flow, configuration)})`
}

const PROFILES: Readonly<Record<TrunkMedia['profile'], string>> = {
  rtp: 'plain RTP',
  'srtp-sdes': 'SRTP, keys in SDP',
  'srtp-dtls': 'DTLS-SRTP',
  any: 'SRTP or RTP, as the peer offers',
}

/** A flow says what may be; the configuration says what is. */
export function protectionOf(flow: PlacedFlow, { trunks, sip, desk, vault }: Configuration): string {
  const side = flow.from === 'carrier' ? 'carrier' : 'contact-centre'
  switch (flow.name) {
    case 'media-carrier':
    case 'media-contact-centre': {
      const profiles = trunks.filter((trunk) => trunk.side === side).map(({ media }) => PROFILES[media.profile])
      return [...new Set(profiles)].join(' and ')
    }
    case 'sip-tcp-carrier':
    case 'sip-tcp-contact-centre':
      if (sip.tls === null) return 'no TLS is configured'
      return sip.tcp.length > 0 ? 'TLS 1.2 or newer on its ports, none on plain TCP' : 'TLS 1.2 or newer'
    case 'page':
      return desk.tls === null ? 'HTTP: loopback, or behind a TLS proxy' : 'TLS 1.2 or newer'
    case 'database':
      return vault.postgresql?.tls == null ? 'no TLS: one host' : 'TLS, certificate checked'
    default:
      return flow.protection
  }
}

const ADDRESSES_MAX = 3

export function addressText({ host, port, portMax }: FlowAddress): string {
  if (port === null) return `${host}, any port`
  const text = hostPortText({ host, port })
  return portMax === undefined ? text : `${text}-${portMax}`
}

function textsOf({
  trunks,
  sip,
  guards,
  rtpengines,
  vault,
  sbc,
  desk,
  audit,
  homer,
  metrics,
}: Configuration): Readonly<Partial<Record<FlowEnd, BoxText>>> {
  const plain = (name: string, lines: readonly string[], digits = false): BoxText => ({ name, lines, digits })
  const at = (address: HostPort): string => hostPortText(address)
  const side = (wanted: 'carrier' | 'contact-centre'): readonly string[] =>
    trunks.filter((trunk) => trunk.side === wanted).flatMap(({ name, sources }) => [name, ...sources.slice(0, 2)])
  const { postgresql } = vault
  return {
    carrier: plain('carrier', side('carrier'), true),
    'contact-centre': plain('contact centre', side('contact-centre')),
    sipd: plain(
      sip.server === 'drachtio' ? 'drachtio-server' : 'sipd',
      [...sip.udp, ...sip.tcp, ...(sip.tls?.addresses ?? [])].map(at),
    ),
    sbc: plain('sbc', [at(sbc)]),
    operator: plain('operator', ['certificate, TLS 1.3']),
    rtpengine: plain(
      'rtpengine',
      rtpengines.map(({ name, host, port }) => `${name} ${at({ host, port })}`),
      true,
    ),
    guard: plain(
      'guard',
      guards.map(({ name, host, port }) => `${name} ${at({ host, port })}`),
      true,
    ),
    vault: plain(
      'vault',
      [
        at(vault),
        ...(vault.api === null ? [] : [`API ${at(vault.api)}`]),
        vault.store === 'sqlite' ? 'SQLite in its folder' : 'PostgreSQL',
      ],
      true,
    ),
    database: plain('database', postgresql === null ? [] : [postgresql, ...postgresql.standbys].map(at)),
    desk: plain('desk', [at(desk), desk.tls === null ? 'HTTP' : 'HTTPS']),
    browser: plain('browser', ['agents, systems']),
    detokenizer: plain('detokenizer', ['certificate'], true),
    'payment-system': plain('payment system', ['certificate, TLS 1.3'], true),
    'key-service': plain('key service', [vault.keys.kek.provider]),
    acquirer: plain('acquirer', [], true),
    syslog: plain('log collector', audit.syslog === null ? [] : [at(audit.syslog)]),
    clock: plain('time server', audit.timeServer === null ? [] : [at(audit.timeServer)]),
    homer: plain('Homer', homer === null ? [] : [at(homer)]),
    resolver: plain('DNS', sip.resolvers.map(at)),
    prometheus: plain('Prometheus', [`asks ${metrics.host}`, 'every process']),
  }
}
