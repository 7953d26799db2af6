import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Configuration, HostPort } from '../../src/wire/configuration.ts'
import { freePort } from '../../test/fakes/free-port.ts'
import { sharedCertificates } from '../../test/fakes/shared-certificates.ts'
import { writeTestConfiguration } from '../../test/fakes/test-configuration.ts'
import { CALLEE_HOST, CALLER_HOST, type CpsSite } from './cps-site.ts'
import { ENGINE_HOSTS, ENGINE_PORT_MAX, ENGINE_PORT_MIN } from './engines.ts'
import { RoleProcesses } from './role-processes.ts'

/** By process name: sipd, sbc, guard-1, ... */
export type NodeFlags = Readonly<Record<string, readonly string[]>>

/** The whole product in processes of its own, calls with their media anchored in rtpengine. */
export async function startProductSite(options: { readonly nodeFlags?: NodeFlags } = {}): Promise<CpsSite> {
  const site = await writeSite()
  try {
    const roles = await RoleProcesses.start({
      ...site,
      ...(options.nodeFlags === undefined ? {} : { nodeFlags: options.nodeFlags }),
    })
    const of = (names: readonly string[]) => new Map(names.map((name) => [name, [roles.pidOf(name)] as const]))
    const signalling = ['sipd', 'sbc']
    return {
      name: 'Tonewall',
      ...site,
      signalling: of(signalling),
      media: of(roles.names.filter((name) => !signalling.includes(name))),
      metrics: new Map([
        ['sipd', metricsUrl(site.configuration, 'sipd')],
        ['sbc', metricsUrl(site.configuration, 'sbc')],
      ]),
      close: async () => {
        await roles.close()
        rmSync(site.folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    rmSync(site.folder, { recursive: true, force: true })
    throw error
  }
}

/** A configuration of the product on loopback: one carrier, one contact centre, and an rtpengine and guard for each host. */
export async function writeSite(): Promise<{
  readonly folder: string
  readonly configurationFile: string
  readonly configuration: Configuration
  readonly sip: HostPort
  readonly callee: HostPort
}> {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-cps-'))
  const callee = { host: CALLEE_HOST, port: await freePort() }
  const rtpengines = await Promise.all(
    ENGINE_HOSTS.map(async (host, index) => ({
      name: `media-${index + 1}`,
      host: '127.0.0.1',
      port: await freePort(),
      start: { interface: `lo/${host}`, portMin: ENGINE_PORT_MIN, portMax: ENGINE_PORT_MAX },
    })),
  )
  const { file, configuration } = await writeTestConfiguration({
    folder,
    certificates: sharedCertificates(),
    guards: rtpengines.length,
    carrier: { host: CALLER_HOST, port: await freePort() },
    contactCentre: callee,
    change: (written) => ({
      ...written,
      // sipp would count an OPTIONS as a call, and between two rates nobody answers it.
      trunks: written.trunks.map((trunk) => ({ ...trunk, health: null })),
      rtpengines,
      guards: written.guards.map((guard, index) => ({
        ...guard,
        rtpengine: rtpengines[index]?.name ?? '',
        media: '127.0.0.1',
      })),
    }),
  })
  const [sip] = configuration.sip.udp
  if (sip === undefined) throw new Error('the test configuration has no SIP address')
  return { folder, configurationFile: file, configuration, sip, callee }
}

function metricsUrl(configuration: Configuration, role: 'sipd' | 'sbc'): string {
  return `http://${configuration.metrics.host}:${configuration.metrics.ports[role]}/metrics`
}
