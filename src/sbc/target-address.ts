import { hostPortText, hostText } from '../kit/host-text.ts'
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
  const { host, port } = target
  return port === null ? hostText(host) : hostPortText({ host, port })
}

/** One name for one target, in logs and metrics. */
export function targetName(target: TrunkTarget): string {
  return `${target.transport}:${targetHost(target)}`
}
