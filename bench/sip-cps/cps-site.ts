import type { HostPort } from '../../src/wire/configuration.ts'

/** The caller's and the callee's addresses: a trunk is told by the source of a request. */
export const CALLER_HOST = '127.0.0.2'
export const CALLEE_HOST = '127.0.0.3'
/** Any number that is routed to the callee. */
export const NUMBER = '18005550199'

/** What stands between the two sipps while calls are made. */
export type CpsSite = {
  readonly name: string
  /** Whom the caller calls. */
  readonly sip: HostPort
  /** Where the callee waits. */
  readonly callee: HostPort
  /** Process ids by what they do. Those of `signalling` share one core; the rest shares the others with sipp. */
  readonly signalling: ReadonlyMap<string, readonly number[]>
  readonly media: ReadonlyMap<string, readonly number[]>
  /** Prometheus pages of its Node processes, by what they do. */
  readonly metrics: ReadonlyMap<string, string>
  close(): Promise<void>
}

export function allPids(site: CpsSite): readonly number[] {
  return [...site.signalling.values(), ...site.media.values()].flat()
}
