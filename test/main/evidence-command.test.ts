import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { verifyFolder } from '../../src/evidence-verify.mjs'
import { runEvidenceCommand } from '../../src/main/evidence-command.ts'
import { collectEvidence, type Evidence } from '../../src/main/evidence/evidence.ts'
import { findingsOf } from '../../src/main/evidence/findings.ts'
import { evidencePage } from '../../src/main/evidence/page.ts'
import { CHECKOUT } from '../fakes/tracked-files.ts'
import { sharedCertificates } from '../fakes/shared-certificates.ts'
import { writeTestConfiguration } from '../fakes/test-configuration.ts'

const FILES = [
  'SHA256SUMS',
  'SHA256SUMS.sig',
  'data-flow.svg',
  'evidence.json',
  'index.html',
  'network.svg',
  'public-key.pem',
  'sbom-with-development.cdx.json',
  'sbom.cdx.json',
  'sources.sha256',
]

t.test(
  'a site that does not run is described from its file: signed, whole, and without secrets or paths',
  async (t) => {
    const folder = t.testdir()
    const { configuration } = await writeTestConfiguration({ folder, certificates: sharedCertificates() })
    const said: string[] = []
    const run = (more: { readonly key?: string; readonly out?: string } = {}) => {
      const command = {
        kind: 'evidence',
        configurationFile: '',
        out: join(folder, 'evidence'),
        key: null,
        shakeHands: false,
      } as const
      return runEvidenceCommand({ ...command, ...more }, configuration, (line) => said.push(line))
    }
    t.equal(await run(), 1, 'a site that never ran has no key')
    t.match(said.pop(), /--key FILE \(openssl genpkey/)
    const key = join(folder, 'signing-key.pem')
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const secret = privateKey.export({ type: 'pkcs8', format: 'pem' })
    writeFileSync(key, secret, { mode: 0o644 })
    chmodSync(key, 0o644)
    t.equal(await run({ key }), 1)
    t.match(said.pop(), /can be read by others/)
    chmodSync(key, 0o600)

    t.equal(await run({ key }), 0, said.join('\n'))
    t.match(said, [/^Drawn from the file\. No sbc answers/, /things stand out/, /signed with ed25519-/])
    const out = join(folder, 'evidence')
    t.same(readdirSync(out).sort(), FILES)
    const keys = [publicKey.export({ type: 'spki', format: 'pem' })]
    t.match(verifyFolder({ folder: out, keys }), { kind: 'intact', files: FILES.length - 2 })
    for (const file of FILES) {
      const text = readFileSync(join(out, file), 'utf8')
      t.notOk(text.includes(folder) || text.includes(CHECKOUT), `${file} names no folder of this machine`)
      t.notMatch(text, /PRIVATE KEY/, file)
    }
    const page = readFileSync(join(out, 'index.html'), 'utf8')
    t.match(page, /a file: no site was running/)
    t.match(page, /<html lang="en">/)
    t.equal(page.split('<h1').length, 2)
    t.same(
      idsOf(page).filter((id, index, all) => all.indexOf(id) !== index),
      [],
      'no id twice',
    )
    for (const [, target = ''] of page.matchAll(/href="#([a-z-]+)"/g)) t.ok(idsOf(page).includes(target), target)
    t.notMatch(page, /<script|https?:\/\/(?!www\.w3\.org\/2000\/svg)/, 'nothing is loaded')

    t.equal(await run({ key }), 1, 'nothing is written over')
    t.match(said.pop(), /something in .* already/)
  },
)

t.test('what stands out is named, and what is in order is not', async (t) => {
  const folder = t.testdir()
  const { configuration } = await writeTestConfiguration({ folder, certificates: sharedCertificates() })
  const evidence = await collectEvidence({
    configuration,
    drawnFrom: { source: 'file', why: null, differs: [] },
    installation: CHECKOUT,
    bill: { kind: 'missing', text: 'no npm' },
    sources: { lines: '', count: 1, sha256: 'f'.repeat(64), revision: { commit: 'c'.repeat(40), changed: 3 } },
    shakeHands: false,
    at: new Date(),
  })
  const good = inOrder(evidence)
  t.same(findingsOf(good), [])
  const [process] = good.processes
  const [port] = good.ports.declared
  const [certificate] = good.certificates
  const running = process?.running
  if (process === undefined || running == null || port === undefined || certificate?.certificate == null)
    throw new Error('there is one of each')
  const cases: readonly (readonly [name: string, changed: Partial<Evidence>, what: RegExp])[] = [
    ['file', { drawnFrom: { source: 'file', why: 'No sbc.', differs: [] } }, /not asked: No sbc/],
    ['differs', { drawnFrom: { source: 'running', why: null, differs: ['trunks'] } }, /trunks/],
    ['development', { site: { ...good.site, development: true } }, /development/],
    ['key file', { site: { ...good.site, keyProvider: 'file' } }, /key-encryption key is a file/],
    ['gone', { processes: [{ ...process, running: null }] }, /was not seen/],
    ['root', { processes: [{ ...process, running: { ...running, user: 'root' } }] }, /runs as root/],
    ['core', { processes: [{ ...process, running: { ...running, coreBytesMax: -1 } }] }, /core files/],
    ['capable', { processes: [{ ...process, running: { ...running, capabilities: '00000400' } }] }, /capabilities/],
    ['silent', { ports: { ...good.ports, declared: [{ ...port, state: 'silent' }] } }, /Nobody listens/],
    ['taken', { ports: { ...good.ports, declared: [{ ...port, state: 'held-by-other' }] } }, /another process/],
    ['open', { ports: { ...good.ports, undeclared: [{ ...port, use: 'unknown' }] } }, /no key declares/],
    ['old TLS', tlsWith('TLSv1.1', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'), /takes TLSv1\.1/],
    ['weak TLS', tlsWith('TLSv1.2', 'TLS_RSA_WITH_AES_128_GCM_SHA256'), /takes 1 suites without/],
    ['strangers', { tls: (good.tls ?? []).map((row) => ({ ...row, refusesStrangers: false })) }, /lets in/],
    ['other certificate', { tls: (good.tls ?? []).map((row) => ({ ...row, certificate: '0' })) }, /not in its file/],
    ['expired', certificateWith({ daysLeft: -1 }), /has expired/],
    ['ends soon', certificateWith({ daysLeft: 10 }), /ends in 10 days/],
    ['key for all', { certificates: [{ ...certificate, keyMode: '0644' }] }, /read by others \(0644\)/],
    ['keys', { keys: { kind: 'unread', text: 'No vault.' } }, /keys of the vault/],
    ['bill', { billOfMaterials: { missing: 'no npm' } }, /no bill of materials/],
    ['changed', { sources: { ...good.sources, revision: { commit: '', changed: 3 } } }, /3 files differ/],
    ['no bench', { leak: null }, /no results/],
  ]
  for (const [name, changed, what] of cases) {
    const findings = findingsOf({ ...good, ...changed })
    t.ok(
      findings.some((finding) => what.test(finding.what) && finding.cure !== ''),
      name,
    )
    t.ok(
      evidencePage({ ...good, ...changed }, findings, { dataFlow: '', network: '' }).includes('</html>'),
      `${name}, on the page`,
    )
  }

  function tlsWith(version: 'TLSv1.1' | 'TLSv1.2', suite: string): Partial<Evidence> {
    return { tls: (good.tls ?? []).map((row) => ({ ...row, versions: [{ version, suites: [suite] }] })) }
  }

  function certificateWith(more: { readonly daysLeft: number }): Partial<Evidence> {
    if (certificate?.certificate == null) throw new Error('there is one')
    return { certificates: [{ ...certificate, certificate: { ...certificate.certificate, ...more } }] }
  }
})

/** The same evidence of a site that has nothing to be asked about. */
function inOrder(evidence: Evidence): Evidence {
  const certificates = evidence.certificates.flatMap((row) =>
    row.certificate === null ? [] : [{ ...row, keyMode: '0600', certificate: { ...row.certificate, daysLeft: 90 } }],
  )
  const running = {
    pid: 1,
    user: 'vault',
    startedAt: evidence.at,
    coreBytesMax: 0,
    noNewPrivileges: true,
    capabilities: '0000000000000000',
    seccomp: true,
    lockedKiB: 0,
    permissionModel: true,
    inspectorShut: true,
  }
  return {
    ...evidence,
    drawnFrom: { source: 'running', why: null, differs: [] },
    site: {
      ...evidence.site,
      development: false,
      keyProvider: 'pkcs11',
      audit: { ownKey: true, collector: true, timeServer: true },
      revocationList: true,
    },
    processes: evidence.processes.map((row) => ({ ...row, running })),
    ports: { declared: evidence.ports.declared.map((row) => ({ ...row, state: 'held' as const })), undeclared: [] },
    tls: [
      {
        name: 'vault',
        host: '127.0.0.1',
        port: 1,
        versions: [{ version: 'TLSv1.3', suites: ['TLS_AES_256_GCM_SHA384'] }],
        certificate: certificates[0]?.certificate.sha256 ?? null,
        refusesStrangers: true,
      },
    ],
    certificates,
    keys: { kind: 'read', keys: [] },
    software: {
      ...evidence.software,
      packages: evidence.software.packages.map((row) => ({ ...row, installed: true })),
    },
    billOfMaterials: { components: 1 },
    sources: { ...evidence.sources, revision: null },
    leak: evidence.leak === null ? null : { ...evidence.leak, goals: [] },
  }
}

function idsOf(page: string): readonly string[] {
  return [...page.matchAll(/ id="([a-z-]+)"/g)].map(([, id = '']) => id)
}
