import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { interfaceAddresses, localAddressFor } from '../sipd/local-address.ts'
import type { Configuration, HostPort, TrunkConfiguration } from '../wire/configuration.ts'

/** Whom a check calls. */
export type CheckTarget = {
  readonly kind: 'target'
  readonly uri: string
  readonly peer: HostPort
  readonly transport: 'udp' | 'tcp'
  /** Its name in the configuration, when that is how it was named. */
  readonly trunk: string | null
}

export type CheckTargetRefusal = { readonly kind: 'refused'; readonly text: string }

const SIP_PORT = 5060
const URI =
  /^sip:([^@\s<>]{1,64})@([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?(;transport=(udp|tcp))?$/i
const PORT_MAX = 65_535
const LOOKUP_MS_MAX = 5_000

/** Reads `sip:NUMBER@HOST[:PORT][;transport=tcp]`; HOST may be the name of a trunk of the configuration. */
export async function checkTarget(
  uri: string,
  loadTrunks: () => Configuration['trunks'] | null,
): Promise<CheckTarget | CheckTargetRefusal> {
  const [, user, host, portText, , transportText] = URI.exec(uri) ?? []
  if (user === undefined || host === undefined) {
    return {
      kind: 'refused',
      text: 'write whom to call as sip:NUMBER@HOST, sip:NUMBER@HOST:PORT;transport=tcp or sip:NUMBER@TRUNK',
    }
  }
  const port = portText === undefined ? SIP_PORT : Number(portText)
  if (port < 1 || port > PORT_MAX) return { kind: 'refused', text: `${port} is no port: use 1 to ${PORT_MAX}` }
  const transport = transportText?.toLowerCase() === 'tcp' ? 'tcp' : 'udp'
  const bare = host.replace(/^\[|\]$/g, '')
  if (isIP(bare) === 0 && portText === undefined) {
    const trunk = loadTrunks()?.find(({ name }) => name === host)
    if (trunk !== undefined) return ofTrunk(user, trunk)
  }
  if (isIP(bare) !== 0) return ofAddress(user, { host: bare, port }, transport, null)
  const address = await resolve(bare)
  if (address === null) {
    return {
      kind: 'refused',
      text: `${bare} is neither a trunk of the configuration nor a name that can be resolved: name the trunk's address`,
    }
  }
  return ofAddress(user, { host: address, port }, transport, null)
}

/** The address of this machine that a peer is likely to reach. */
export function ownAddressFor(remote: string): string {
  return localAddressFor(remote, interfaceAddresses())
}

async function ofTrunk(user: string, trunk: TrunkConfiguration): Promise<CheckTarget | CheckTargetRefusal> {
  const [{ host, port: configured, transport }] = trunk.targets
  if (transport === 'tls') {
    return {
      kind: 'refused',
      text: `trunk ${trunk.name} speaks TLS, which a check does not: name an address that speaks UDP or TCP`,
    }
  }
  return ofAddress(user, { host, port: configured ?? SIP_PORT }, transport, trunk.name)
}

async function ofAddress(
  user: string,
  peer: HostPort,
  transport: 'udp' | 'tcp',
  trunk: string | null,
): Promise<CheckTarget | CheckTargetRefusal> {
  const host = isIP(peer.host) === 0 ? await resolve(peer.host) : peer.host
  if (host === null)
    return {
      kind: 'refused',
      text: `the trunk's target ${peer.host} cannot be resolved: correct it in the configuration`,
    }
  const shown = isIP(host) === 6 ? `[${host}]` : host
  const uri = `sip:${user}@${shown}:${peer.port}${transport === 'tcp' ? ';transport=tcp' : ''}`
  return { kind: 'target', uri, peer: { host, port: peer.port }, transport, trunk }
}

async function resolve(name: string): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((done) => {
    timer = setTimeout(() => done(null), LOOKUP_MS_MAX)
  })
  const found = lookup(name, { family: 4 }).then(
    ({ address }) => address,
    () => null,
  )
  const address = await Promise.race([found, late])
  clearTimeout(timer)
  return address
}
