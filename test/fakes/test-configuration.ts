import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { loadConfiguration } from '../../src/main/configuration.ts'
import type { WrittenConfiguration } from '../../src/main/configuration-defaults.ts'
import type { Configuration } from '../../src/wire/configuration.ts'
import { freePort } from './free-port.ts'
import { mediaPorts, type MediaPorts } from './media-ports.ts'

export type TestConfiguration = {
  readonly file: string
  readonly configuration: Configuration
  readonly media: MediaPorts
}

/**
 * Writes `folder`/tonewall.yaml: a whole site on loopback with free ports, its data in `folder`/run and its certificates
 * in `certificates`, else `folder`/certs (making them takes a second: share a folder where it does not matter). `change`
 * may alter what is written.
 */
export async function writeTestConfiguration(options: {
  readonly folder: string
  readonly certificates?: string
  readonly guards?: number
  readonly carrier?: { readonly host: string; readonly port: number }
  readonly contactCentre?: { readonly host: string; readonly port: number }
  readonly change?: (written: WrittenConfiguration) => WrittenConfiguration
}): Promise<TestConfiguration> {
  const host = '127.0.0.1'
  const sipPort = await freePort()
  const media = await mediaPorts()
  const guards = []
  for (let number = 1; number <= (options.guards ?? 2); number += 1) {
    const ports = { port: await freePort(), metricsPort: await freePort() }
    guards.push({ name: `guard-${number}`, host, ...ports, rtpengine: 'media-1', media: host })
  }
  const carrier = options.carrier ?? { host: '127.0.0.2', port: 5060 }
  const contactCentre = options.contactCentre ?? { host: '127.0.0.3', port: 5070 }
  const written: WrittenConfiguration = {
    dataFolder: 'run',
    certificates: { folder: options.certificates ?? 'certs', development: true },
    logLevel: 'info',
    sip: { udp: [{ host, port: sipPort }], tcp: [{ host, port: sipPort }], control: { host, port: await freePort() } },
    // Peers of tests answer calls and nothing else; test/system/routing.test.ts has some that are asked.
    trunks: [
      { name: 'carrier', side: 'carrier', sources: [carrier.host], target: carrier, health: null },
      {
        name: 'contact-centre',
        side: 'contact-centre',
        sources: [contactCentre.host],
        target: contactCentre,
        health: null,
      },
    ],
    routes: [
      { from: 'carrier', to: 'contact-centre' },
      { from: 'contact-centre', to: 'carrier' },
    ],
    rtpengines: [
      {
        name: 'media-1',
        host,
        port: await freePort(),
        start: { interface: `lo/${host}`, portMin: media.min, portMax: media.max },
      },
    ],
    guards,
    vault: { host, port: await freePort() },
    sbc: { host, port: await freePort() },
    desk: {
      host,
      port: await freePort(),
      agents: [
        { name: 'agent', role: 'agent' },
        { name: 'supervisor', role: 'all' },
      ],
    },
    forms: [{ name: 'card', fields: ['card-number', 'expiry', 'card-code'] }],
    merchant: 'test',
    metrics: {
      host,
      ports: { sipd: await freePort(), sbc: await freePort(), vault: await freePort(), desk: await freePort() },
    },
  }
  const file = join(options.folder, 'tonewall.yaml')
  writeFileSync(file, stringify(options.change?.(written) ?? written, { aliasDuplicateObjects: false }))
  const loaded = loadConfiguration(file)
  if (loaded.kind === 'refused')
    throw new Error(`the test configuration was refused: ${JSON.stringify(loaded.problems)}`)
  return { file, configuration: loaded.configuration, media }
}
