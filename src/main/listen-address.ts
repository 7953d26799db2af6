import type { Configuration, HostPort } from '../wire/configuration.ts'

/** One port that a process of ours will hold, and the configuration key that says so. */
export type ListenAddress = HostPort & {
  readonly transport: 'udp' | 'tcp'
  /** Name of the process, such as guard-1. */
  readonly process: string
  readonly path: readonly (string | number)[]
}

/** Every fixed port of a site, in the order of the configuration file. Media ports are ranges and are not among them. */
export function listenAddresses(configuration: Configuration): readonly ListenAddress[] {
  const { sip, metrics } = configuration
  const embedded = sip.server === 'embedded'
  const list: ListenAddress[] = []
  const add = (
    process: string,
    transport: 'udp' | 'tcp',
    address: HostPort,
    ...path: readonly (string | number)[]
  ): void => {
    list.push({ host: address.host, port: address.port, transport, process, path: [...path, 'port'] })
  }
  if (embedded) {
    sip.udp.forEach((address, index) => add('sipd', 'udp', address, 'sip', 'udp', index))
    sip.tcp.forEach((address, index) => add('sipd', 'tcp', address, 'sip', 'tcp', index))
    sip.tls?.addresses.forEach((address, index) => add('sipd', 'tcp', address, 'sip', 'tls', 'addresses', index))
    add('sipd', 'tcp', sip.control, 'sip', 'control')
  }
  configuration.rtpengines.forEach((rtpengine, index) => {
    if (rtpengine.start !== null) add(rtpengine.name, 'udp', rtpengine, 'rtpengines', index)
  })
  configuration.guards.forEach((guard, index) => add(guard.name, 'tcp', guard, 'guards', index))
  add('vault', 'tcp', configuration.vault, 'vault')
  if (configuration.vault.api !== null) add('vault', 'tcp', configuration.vault.api, 'vault', 'api')
  add('sbc', 'tcp', configuration.sbc, 'sbc')
  add('desk', 'tcp', configuration.desk, 'desk')
  configuration.guards.forEach((guard, index) => {
    const path = ['guards', index, 'metricsPort']
    list.push({ host: metrics.host, port: guard.metricsPort, transport: 'tcp', process: guard.name, path })
  })
  for (const role of ['sipd', 'sbc', 'vault', 'desk'] as const) {
    if (role === 'sipd' && !embedded) continue
    const path = ['metrics', 'ports', role]
    list.push({ host: metrics.host, port: metrics.ports[role], transport: 'tcp', process: role, path })
  }
  return list
}

/** True when both cannot be held at one time: 0.0.0.0 and :: take the port on every address. */
export function collide(one: ListenAddress, other: ListenAddress): boolean {
  if (one.transport !== other.transport || one.port !== other.port) return false
  return one.host === other.host || isWildcard(one.host) || isWildcard(other.host)
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
