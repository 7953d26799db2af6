import { hostname } from 'node:os'
import type { Configuration } from '../../wire/configuration.ts'
import { flowsOf, ZONES, type FlowAddress, type FlowEnd, type Zone } from '../flows.ts'
import { productVersion } from '../version.ts'
import type { BillOfMaterials } from './bill-of-materials.ts'
import { certificateInventory, type CertificateRow } from './certificate-inventory.ts'
import type { Control } from './controls/control.ts'
import { CONTROLS } from './controls/control-map.ts'
import { keyInventory, type KeyInventory } from './key-inventory.ts'
import { leakResults, type LeakResults } from './leak-results.ts'
import { protectionOf } from './network-diagram.ts'
import { portInventory, type PortInventory } from './listening-ports.ts'
import { processInventory, type ProcessRow } from './process-inventory.ts'
import type { DrawnFrom } from './running-site.ts'
import { softwareInventory, type SoftwareInventory } from './software-inventory.ts'
import type { SourceHashes } from './source-hashes.ts'
import { probeTls, tlsPorts, type TlsRow } from './tls-probe.ts'

/** What evidence.json holds. No secrets, no card data, and of file names the last part only. */
export type Evidence = {
  readonly format: 'tonewall-evidence-1'
  /** ISO 8601, UTC. */
  readonly at: string
  readonly version: string
  /** The machine that was looked at; a site can have several. */
  readonly machine: string
  readonly drawnFrom: DrawnFrom
  readonly site: SiteFacts
  readonly flows: readonly FlowRow[]
  readonly processes: readonly ProcessRow[]
  readonly ports: PortInventory
  /** null: nobody was to shake hands. */
  readonly tls: readonly TlsRow[] | null
  readonly certificates: readonly CertificateRow[]
  readonly keys: KeyInventory
  readonly software: SoftwareInventory
  readonly billOfMaterials: { readonly components: number } | { readonly missing: string }
  readonly sources: Omit<SourceHashes, 'lines'>
  readonly leak: LeakResults | null
  readonly controls: readonly Control[]
}

/** What of the configuration says how safe a site is, in words of the configuration. */
export type SiteFacts = {
  /** Whose cards windows may take; the site's own is first. */
  readonly merchants: readonly string[]
  readonly development: boolean
  readonly store: 'sqlite' | 'postgresql'
  /** Where the key-encryption key lies. */
  readonly keyProvider: string
  readonly acquirer: boolean
  readonly audit: { readonly ownKey: boolean; readonly collector: boolean; readonly timeServer: boolean }
  readonly revocationList: boolean
}

export type FlowRow = {
  readonly name: string
  readonly from: FlowEnd
  readonly to: FlowEnd
  readonly zones: readonly [Zone, Zone]
  readonly transport: 'udp' | 'tcp'
  readonly addresses: readonly FlowAddress[]
  readonly carries: string
  readonly protection: string
  readonly digits: boolean
}

/** Looks at everything that can be looked at from this machine. */
export async function collectEvidence(options: {
  readonly configuration: Configuration
  readonly drawnFrom: DrawnFrom
  readonly installation: string
  readonly bill: BillOfMaterials
  readonly sources: SourceHashes
  /** False leaves the ports alone. */
  readonly shakeHands: boolean
  readonly at: Date
}): Promise<Evidence> {
  const { configuration, installation, bill, sources, at } = options
  const processes = processInventory(configuration)
  const ports = portInventory(configuration, processes)
  // One port after the other: a busy vault must not take it for an attack of many.
  const tls: TlsRow[] = []
  if (options.shakeHands) for (const port of tlsPorts(configuration)) tls.push(await probeTls(port))
  const { count, sha256, revision } = sources
  return {
    format: 'tonewall-evidence-1',
    at: at.toISOString(),
    version: productVersion(),
    machine: hostname(),
    drawnFrom: options.drawnFrom,
    site: factsOf(configuration),
    flows: flowsOf(configuration).map((flow) => {
      const { name, from, to, transport, carries, digits } = flow
      // A flow lends whole parts of the configuration, in which names of files and a URL may be.
      const addresses = flow.addresses.map(({ host, port, portMax }) =>
        portMax === undefined ? { host, port } : { host, port, portMax },
      )
      const protection = protectionOf(flow, configuration)
      return { name, from, to, zones: [ZONES[from], ZONES[to]], transport, addresses, carries, protection, digits }
    }),
    processes,
    ports,
    tls: options.shakeHands ? tls : null,
    certificates: certificateInventory(configuration, at.getTime()),
    keys: await keyInventory(configuration),
    software: await softwareInventory(installation),
    billOfMaterials: bill.kind === 'made' ? { components: bill.delivered.components } : { missing: bill.text },
    sources: { count, sha256, revision },
    leak: leakResults(installation),
    controls: CONTROLS,
  }
}

function factsOf({ certificates, vault, audit }: Configuration): SiteFacts {
  return {
    merchants: vault.guardMerchants,
    development: certificates.development,
    store: vault.store,
    keyProvider: vault.keys.kek.provider,
    acquirer: [vault, ...vault.merchants].some(({ connectorUrl }) => connectorUrl !== null),
    audit: {
      ownKey: audit.signingKey !== null,
      collector: audit.syslog !== null,
      timeServer: audit.timeServer !== null,
    },
    revocationList: certificates.revoked !== null,
  }
}
