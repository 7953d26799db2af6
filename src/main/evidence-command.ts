import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { openSigningKey, SigningKeyFailure, type CheckpointSigner } from '../cde/vault/audit-checkpoint.ts'
import { createLogger, errorFields } from '../kit/log.ts'
import type { Configuration } from '../wire/configuration.ts'
import { INSTALLATION } from './configuration.ts'
import type { EvidenceCommand } from './evidence-options.ts'
import { billOfMaterials } from './evidence/bill-of-materials.ts'
import { dataFlowDiagram } from './evidence/data-flow-diagram.ts'
import { collectEvidence } from './evidence/evidence.ts'
import { findingsOf } from './evidence/findings.ts'
import { networkDiagram } from './evidence/network-diagram.ts'
import { evidencePage } from './evidence/page.ts'
import { lookAtSite } from './evidence/running-site.ts'
import { writeSignedFolder } from './evidence/signed-folder.ts'
import { sourceHashes } from './evidence/source-hashes.ts'
import { productVersion } from './version.ts'

/** `tonewall evidence`: writes a signed folder for an assessor. Resolves to the exit code. */
export async function runEvidenceCommand(
  command: Extract<EvidenceCommand, { readonly kind: 'evidence' }>,
  fromFile: Configuration,
  say: (line: string) => void,
): Promise<number> {
  const at = new Date()
  const folder = resolve(command.out ?? join(fromFile.dataFolder, 'evidence', at.toISOString().replaceAll(':', '-')))
  if (existsSync(folder) && readdirSync(folder).length > 0) return refuse(say, folderInUse(folder))
  const signer = signerFor(command.key, fromFile)
  if (typeof signer === 'string') return refuse(say, signer)
  const look = await lookAtSite(fromFile, productVersion())
  if (look.kind === 'refused') return refuse(say, look.text)
  const { configuration, from } = look
  say(
    from.source === 'running' ? 'The site runs: drawn from what it runs by.' : `Drawn from the file. ${from.why ?? ''}`,
  )
  try {
    const bill = await billOfMaterials({ installation: INSTALLATION })
    const sources = sourceHashes(INSTALLATION)
    const { shakeHands } = command
    const evidence = await collectEvidence({
      configuration,
      drawnFrom: from,
      installation: INSTALLATION,
      bill,
      sources,
      shakeHands,
      at,
    })
    const findings = findingsOf(evidence)
    const drawings = { dataFlow: dataFlowDiagram(configuration), network: networkDiagram(configuration) }
    const files = new Map([
      ['index.html', evidencePage(evidence, findings, drawings)],
      ['evidence.json', `${JSON.stringify({ ...evidence, findings }, null, 2)}\n`],
      ['data-flow.svg', drawings.dataFlow],
      ['network.svg', drawings.network],
      ['sources.sha256', sources.lines],
    ])
    if (bill.kind === 'made') {
      files.set('sbom.cdx.json', bill.delivered.json)
      files.set('sbom-with-development.cdx.json', bill.withDevelopment.json)
    }
    if (!(await writeSignedFolder({ folder, files, signer, at }))) return refuse(say, folderInUse(folder))
    say(`${findings.length} things stand out; they are the first section of the page.`)
    say(`Wrote ${join(folder, 'index.html')}, signed with ${signer.keyId}.`)
    return 0
  } catch (error) {
    const { errorName, errorCode } = errorFields(error)
    return refuse(
      say,
      `It did not work: ${String(errorCode ?? errorName)}. May this user write to ${folder}, and read the installation? Name another folder with --out.`,
    )
  }
}

/** A line for people when there is no key to sign with. */
function signerFor(key: string | null, { audit, vault }: Configuration): CheckpointSigner | string {
  const file = key ?? audit.signingKey ?? join(vault.folder, 'audit-signing-key')
  const make = 'openssl genpkey -algorithm ed25519 -out FILE'
  try {
    return openSigningKey({ file, mayMake: false, logger: createLogger({ role: 'evidence', level: 'silent' }) })
  } catch (error) {
    const code = error instanceof SigningKeyFailure ? error.code : 'unreadable'
    const why = {
      too_open: `${file} can be read by others than its owner: chmod 600.`,
      not_ed25519: `${file} is no Ed25519 key: make one with ${make}.`,
      unreadable: `The key that signs the audit record cannot be read: run this as the vault's user, or name a key of your own with --key FILE (${make}).`,
    }[code]
    return key !== null && code === 'unreadable' ? `${file} cannot be read, or is no key: make one with ${make}.` : why
  }
}

function folderInUse(folder: string): string {
  return `There is something in ${folder} already. Name an empty or a new folder with --out.`
}

function refuse(say: (line: string) => void, text: string): number {
  say(text)
  return 1
}
