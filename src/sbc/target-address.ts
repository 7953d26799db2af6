import { isIP } from 'node:net'
import type { TrunkTarget } from '../wire/configuration.ts'

/**
 * Where a target is as a SIP URI: with a user part, or without. A port that is left out is found by DNS (RFC 3263), and
 * so is a name.
 */
export function targetUri(target: TrunkTarget, user: string | null): string {
  const at = user === null ? '' : `${user}@`
  return `sip:${at}${targetHost(target)};transport=${target.transport}`
}

/** Host and port as a URI writes them. */
export function targetHost(target: Pick<TrunkTarget, 'host' | 'port'>): string {
  const host = isIP(target.host) === 6 ? `[${target.host}]` : target.host
  return target.port === null ? host : [host, target.port].join(':')
}

/** One name for one target, in logs and metrics. */
export function targetName(target: TrunkTarget): string {
  return `${target.transport}:${targetHost(target)}`
}
