import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/** One address of this machine with the length of its network prefix. */
export type InterfaceAddress = { readonly host: string; readonly prefix: number; readonly internal: boolean }

/** The addresses of this machine, IPv4 first; link-local IPv6 addresses are of no use in a Contact. */
export function interfaceAddresses(): InterfaceAddress[] {
  const found: InterfaceAddress[] = []
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, cidr, internal } of addresses ?? []) {
      const prefix = Number(cidr?.split('/')[1])
      if (Number.isInteger(prefix) && !address.startsWith('fe80:')) found.push({ host: address, prefix, internal })
    }
  }
  return found.sort((a, b) => isIP(a.host) - isIP(b.host))
}

/**
 * The address of ours that a peer is reached from: the one whose network holds the peer, else the first that is not
 * loopback. This stands in for the routing table, which Node cannot read; hosts with two uplinks bind to addresses.
 */
export function localAddressFor(remote: string, interfaces: readonly InterfaceAddress[]): string {
  const family = isIP(remote) === 6 ? 6 : 4
  const candidates = interfaces.filter(({ host }) => isIP(host) === family)
  const neighbour = candidates.find((candidate) => sameNetwork(candidate, remote))
  const chosen = neighbour ?? candidates.find(({ internal }) => !internal) ?? candidates[0]
  return chosen?.host ?? (family === 6 ? '::1' : '127.0.0.1')
}

/** One spelling for an IPv6 address (RFC 5952); names and IPv4 addresses as they are, in lower case. */
export function canonicalHost(host: string): string {
  return isIP(host) === 6 && !host.includes('%')
    ? new URL(`http://[${host}]`).hostname.slice(1, -1)
    : host.toLowerCase()
}

export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Made once for each address of ours: making one costs more than all else that a message needs here. */
const networks = new WeakMap<InterfaceAddress, BlockList>()

function sameNetwork(candidate: InterfaceAddress, remote: string): boolean {
  const family = isIP(candidate.host) === 6 ? 'ipv6' : 'ipv4'
  let network = networks.get(candidate)
  if (network === undefined) {
    network = new BlockList()
    network.addSubnet(candidate.host, candidate.prefix, family)
    networks.set(candidate, network)
  }
  return network.check(remote, family)
}
