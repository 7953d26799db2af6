import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { WrittenConfiguration } from '../../src/main/configuration-defaults.ts'
import { startSupervisor } from '../../src/main/supervisor.ts'
import type { Configuration, HostPort } from '../../src/wire/configuration.ts'
import { freePort } from './free-port.ts'
import { sharedCertificates } from './shared-certificates.ts'
import { Sipp, type SippOptions, type SippResult } from './sipp.ts'
import { writeTestConfiguration } from './test-configuration.ts'

/** Numbers that the carriers call: the agent reached by UDP, the one reached by TCP, and nobody. */
export const UDP_NUMBER = '18005550199'
export const TCP_NUMBER = '28005550199'
export const UNKNOWN_NUMBER = '98005550199'

/** The whole product for sipp on both sides: every side once by UDP and once by TCP. */
export type SipSite = {
  readonly configuration: Configuration
  readonly configurationFile: string
  /** Where the product takes calls, UDP and TCP. */
  readonly sip: HostPort
  readonly carrier: HostPort
  readonly agent: HostPort
  readonly tcpAgent: HostPort
  /** Runs one sipp at an address until its calls are over. */
  readonly run: (options: Omit<SippOptions, 'folder'>) => Promise<Sipp>
  /** Runs a callee and then a caller, and waits for both. */
  readonly call: (
    callee: Omit<SippOptions, 'folder'>,
    caller: Omit<SippOptions, 'folder'>,
  ) => Promise<{ readonly callee: SippResult; readonly caller: SippResult }>
}

/** Starts it for one test file; everything is ended with the test. `change` alters the configuration. */
export async function startSipSite(
  t: Test,
  change: (written: WrittenConfiguration) => WrittenConfiguration = (written) => written,
): Promise<SipSite> {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-sipp-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [carrier, agent, tcpAgent] = [
    { host: '127.0.0.2', port: await freePort() },
    { host: '127.0.0.3', port: await freePort() },
    { host: '127.0.0.4', port: await freePort() },
  ]
  const { file, configuration } = await writeTestConfiguration({
    folder,
    certificates: sharedCertificates(),
    guards: 1,
    change: (written) =>
      change({
        ...written,
        // A stranger is to be told so; test/sipd/admission.test.ts has those who hear nothing.
        sip: { ...written.sip, strangers: 'refuse' },
        trunks: [
          { name: 'carrier', side: 'carrier', sources: [carrier.host], target: carrier, health: null },
          { name: 'agents', side: 'contact-centre', sources: [agent.host], target: agent, health: null },
          {
            name: 'tcp-agents',
            side: 'contact-centre',
            sources: [tcpAgent.host],
            target: { ...tcpAgent, transport: 'tcp' },
            health: null,
          },
        ],
        routes: [
          { from: 'carrier', prefix: UDP_NUMBER.slice(0, 1), to: 'agents' },
          { from: 'carrier', prefix: TCP_NUMBER.slice(0, 1), to: 'tcp-agents' },
          { from: 'agents', prefix: UDP_NUMBER.slice(0, 1), to: 'carrier' },
        ],
      }),
  })
  const started = await startSupervisor({ configurationFile: file, say: (line) => t.comment(line) })
  if (started.kind === 'refused') throw new Error(started.texts.join('\n'))
  const running = new Set<Sipp>()
  t.teardown(async () => {
    await Promise.all([...running].map((sipp) => sipp.close()))
    await started.supervisor.close()
  })
  const [sip] = configuration.sip.udp
  if (sip === undefined) throw new Error('the test configuration has no SIP address')
  const run: SipSite['run'] = async (options) => {
    const sipp = await Sipp.start({ ...options, folder })
    running.add(sipp)
    return sipp
  }
  const call: SipSite['call'] = async (calleeOptions, callerOptions) => {
    const callee = await run(calleeOptions)
    const caller = await run(callerOptions)
    const [calleeResult, callerResult] = await Promise.all([callee.result(), caller.result()])
    return { callee: calleeResult, caller: callerResult }
  }
  return { configuration, configurationFile: file, sip, carrier, agent, tcpAgent, run, call }
}

/** sipp itself checks each message against its steps; a call that went otherwise makes its exit code 1. */
export function bothSucceeded(t: Test, results: { readonly callee: SippResult; readonly caller: SippResult }): void {
  for (const side of ['caller', 'callee'] as const) {
    const { exitCode, errors, messages } = results[side]
    t.equal(exitCode, 0, `every step of the ${side} went as it must`)
    if (exitCode !== 0) t.comment(errors, ...messages.map(({ direction, text }) => `\n${direction} ${text}`))
  }
}
