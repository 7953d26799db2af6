import { isIP } from 'node:net'
import type { DnsClient, NaptrRecord, SrvRecord } from './dns-client.ts'
import type { Address, TransportName } from './flow.ts'
import type { NextHop } from './next-hop.ts'
import { orderServers } from './srv-order.ts'

/** One server that a request can be sent to. */
export type Destination = {
  readonly transport: TransportName
  readonly remote: Address
  /** TLS: the names of which the peer's certificate must prove one (RFC 5922 section 7.2). */
  readonly names: readonly string[]
}

export type LocationTools = {
  readonly dns: DnsClient
  /** From 0 to below 1. */
  readonly chance: () => number
  /** True when a socket of ours speaks this transport in this family. */
  readonly serves: (transport: TransportName, family: 4 | 6) => boolean
}

/** Services of one domain that are followed: one for each transport. */
const SERVICES_MAX = 3
/** Servers of one service whose addresses are asked for. */
const SERVERS_MAX = 8
/** Addresses of one name that are tried; round-robin names of carriers have four to eight. */
const ADDRESSES_MAX = 8
/** Servers that one request is offered; a caller has hung up long before the last of them. */
const DESTINATIONS_MAX = 16

/** The label pair that stands before the domain in an SRV name (RFC 3263 section 4.1). */
const SERVICE_LABELS: Readonly<Record<TransportName, string>> = {
  udp: '_sip._udp',
  tcp: '_sip._tcp',
  tls: '_sips._tcp',
}

/** NAPTR services (RFC 3263 section 4.1). */
const NAPTR_SERVICES: ReadonlyMap<string, TransportName> = new Map([
  ['SIP+D2U', 'udp'],
  ['SIP+D2T', 'tcp'],
  ['SIPS+D2T', 'tls'],
])

/** In the order of preference where a domain states none. */
const TRANSPORTS: readonly TransportName[] = ['udp', 'tcp', 'tls']

const FAMILIES = [4, 6] as const

/**
 * The servers of a next hop in the order in which they are to be tried (RFC 3263 section 4): NAPTR for the transport,
 * SRV for host and port, A and AAAA for the address, as far as the URI left each open. None when there is no answer
 * within the deadline. A TLS server must prove the name of the URI, not one that DNS gave.
 */
export async function locateServers(hop: NextHop, deadlineMs: number, tools: LocationTools): Promise<Destination[]> {
  if (isIP(hop.host) !== 0)
    return [{ transport: hop.transport, remote: { host: hop.host, port: hop.port }, names: hop.names }]
  let slow: NodeJS.Timeout | undefined
  const deadline = new Promise<Destination[]>((resolve) => {
    slow = setTimeout(resolve, deadlineMs, [])
  })
  try {
    return (await Promise.race([locate(hop, tools), deadline])).slice(0, DESTINATIONS_MAX)
  } finally {
    clearTimeout(slow)
  }
}

async function locate(hop: NextHop, tools: LocationTools): Promise<Destination[]> {
  const host = hostName(hop.host)
  if (host === undefined) return []
  const byAddress = (): Promise<Destination[]> => reached({ ...hop, host }, hop, tools)
  // These two must not be asked for (RFC 6761 sections 6.3 and 6.4); the hosts file knows the first.
  if (hop.ask === 'address' || /(^|\.)(localhost|invalid)$/i.test(host)) return byAddress()
  let services: readonly Service[] = []
  if (hop.ask === 'naptr') {
    const answer = await tools.dns.naptr(host)
    if (answer.kind === 'silent') return byAddress()
    if (answer.kind === 'found') services = chosenServices(answer.records, hop, tools)
  }
  if (services.length === 0)
    services = openTransports(hop)
      .filter((transport) => served(transport, tools))
      .map((transport) => ({ transport, name: `${SERVICE_LABELS[transport]}.${host}` }))
  const answers = await Promise.all(services.map(({ name }) => tools.dns.srv(name)))
  if (!answers.some(({ kind }) => kind === 'found')) return byAddress()
  const targets = services.flatMap(({ transport }, index) => {
    const answer = answers[index]
    return answer?.kind === 'found' ? usableServers(answer.records, tools).map((server) => ({ transport, server })) : []
  })
  const found = await Promise.all(
    targets.map(({ transport, server }) => reached({ transport, host: server.target, port: server.port }, hop, tools)),
  )
  return found.flat()
}

type Service = { readonly transport: TransportName; readonly name: string }

/** Of the services that we speak, those of the lowest order, by preference (RFC 3263 section 4.1, RFC 3403 section 4.1). */
function chosenServices(records: readonly NaptrRecord[], hop: NextHop, tools: LocationTools): Service[] {
  const spoken = records.flatMap((record): (Service & { readonly record: NaptrRecord })[] => {
    const transport = NAPTR_SERVICES.get(record.service.toUpperCase())
    const name = hostName(record.replacement)
    if (transport === undefined || name === undefined || record.flags.toLowerCase() !== 's') return []
    return openTransports(hop).includes(transport) && served(transport, tools) ? [{ transport, name, record }] : []
  })
  const lowest = Math.min(...spoken.map(({ record }) => record.order))
  return spoken
    .filter(({ record }) => record.order === lowest)
    .sort((a, b) => a.record.preference - b.record.preference)
    .slice(0, SERVICES_MAX)
}

/** A target of `.` says that the service is not there (RFC 2782); it and what could not be a server are left out. */
function usableServers(records: readonly SrvRecord[], tools: LocationTools): SrvRecord[] {
  const usable = records.flatMap((record) => {
    const target = hostName(record.target)
    return target === undefined || record.port === 0 ? [] : [{ ...record, target }]
  })
  return orderServers(usable, tools.chance).slice(0, SERVERS_MAX)
}

async function reached(
  server: { readonly transport: TransportName; readonly host: string; readonly port: number },
  hop: NextHop,
  tools: LocationTools,
): Promise<Destination[]> {
  const { transport } = server
  const families = FAMILIES.filter((family) => tools.serves(transport, family))
  const answer = await tools.dns.addresses(server.host, families)
  if (answer.kind !== 'found') return []
  return answer.records
    .filter((address) => isIP(address) !== 0)
    .slice(0, ADDRESSES_MAX)
    .map((host) => ({ transport, remote: { host, port: server.port }, names: hop.names }))
}

function openTransports(hop: NextHop): readonly TransportName[] {
  return hop.ask === 'naptr' && hop.transport !== 'tls' ? TRANSPORTS : [hop.transport]
}

function served(transport: TransportName, tools: LocationTools): boolean {
  return FAMILIES.some((family) => tools.serves(transport, family))
}

const HOST_NAME = /^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63}){0,126}$/
const HOST_NAME_MAX = 253

/** The name without its last dot; undefined for what is no name of a host: empty, an address, or other bytes. */
function hostName(written: string): string | undefined {
  const name = written.endsWith('.') ? written.slice(0, -1) : written
  return name.length <= HOST_NAME_MAX && HOST_NAME.test(name) && isIP(name) === 0 ? name : undefined
}
