import { hostPortText } from '../kit/host-text.ts'
import type { Configuration, RtpengineConfiguration } from '../wire/configuration.ts'
import { listenAddresses, type ListenAddress } from './listen-address.ts'
import type { RoleName } from './role-name.ts'

/** One process that the supervisor starts and watches. */
export type ProcessPlan = {
  /** As in logs and on the console: vault, guard-1, media-1. */
  readonly name: string
  /** Processes of a lower stage are ready before a higher one starts. */
  readonly stage: number
  /** Processes of a lower stage have ended before a higher one is asked to. */
  readonly closeStage: number
  readonly ports: readonly ListenAddress[]
  readonly program: RoleProgram | RtpengineProgram
}

export type RoleProgram = { readonly kind: 'role'; readonly role: RoleName }
export type RtpengineProgram = { readonly kind: 'rtpengine'; readonly arguments: readonly string[] }

/** Media first, calls last: when SIP is heard, everything that a call needs is there. At the end calls go first. */
const STAGES: Readonly<Record<RoleName | 'rtpengine', { readonly start: number; readonly close: number }>> = {
  vault: { start: 0, close: 2 },
  rtpengine: { start: 0, close: 3 },
  guard: { start: 1, close: 2 },
  sipd: { start: 2, close: 1 },
  sbc: { start: 3, close: 0 },
  desk: { start: 4, close: 1 },
}

/** What runs on this machine for a configuration, in the order of starting. */
export function processPlans(configuration: Configuration): readonly ProcessPlan[] {
  const ports = listenAddresses(configuration)
  const plan = (name: string, role: RoleName | 'rtpengine', program: ProcessPlan['program']): ProcessPlan => ({
    name,
    stage: STAGES[role].start,
    closeStage: STAGES[role].close,
    ports: ports.filter((address) => address.process === name),
    program,
  })
  const role = (name: string, of: RoleName): ProcessPlan => plan(name, of, { kind: 'role', role: of })
  return [
    role('vault', 'vault'),
    ...configuration.rtpengines.flatMap((rtpengine) =>
      rtpengine.start === null
        ? []
        : [plan(rtpengine.name, 'rtpengine', { kind: 'rtpengine', arguments: rtpengineArguments(rtpengine) })],
    ),
    ...configuration.guards.map((guard) => role(guard.name, 'guard')),
    ...(configuration.sip.server === 'embedded' ? [role('sipd', 'sipd')] : []),
    role('sbc', 'sbc'),
    role('desk', 'desk'),
  ]
}

/**
 * rtpengine in userspace, without privileges and without its file in /etc, whose fixed ports would clash. None of its
 * options that log or send DTMF is set: they emit digits in clear. Level 4 is warnings.
 */
function rtpengineArguments(rtpengine: RtpengineConfiguration): readonly string[] {
  const { host, port, start } = rtpengine
  if (start === null) return []
  return [
    '--config-file=none',
    '--table=-1',
    ...start.interface.split(';').map((name) => `--interface=${name.trim()}`),
    `--listen-ng=${hostPortText({ host, port })}`,
    `--port-min=${start.portMin}`,
    `--port-max=${start.portMax}`,
    '--foreground',
    '--log-stderr',
    '--log-level=4',
  ]
}
