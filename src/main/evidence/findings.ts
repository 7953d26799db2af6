import type { Evidence } from './evidence.ts'

/** Something that an assessor will ask about, for people: what is so, and what to do. */
export type Finding = { readonly what: string; readonly cure: string }

/** A certificate that ends within this needs somebody's attention now. */
const EXPIRES_SOON_DAYS = 30
const NO_CAPABILITIES = /^0+$/
/** Of TLS 1.2: no forward secrecy, or no authenticated encryption (NIST SP 800-52r2, 3.3.1). */
const WEAK_SUITE = /^TLS_(RSA|DH|ECDH|PSK|SRP)_|_CBC_|_NULL_|_RC4_|_3DES_|_anon_/

/** What stands out in the evidence; empty for a site that is in order. */
export function findingsOf(evidence: Evidence): readonly Finding[] {
  return [
    ...ofSite(evidence),
    ...ofProcesses(evidence),
    ...ofPorts(evidence),
    ...ofTls(evidence),
    ...ofCertificates(evidence),
    ...ofKeys(evidence),
    ...ofSoftware(evidence),
    ...ofLeak(evidence),
  ]
}

function ofSite({ drawnFrom, site }: Evidence): readonly Finding[] {
  const { source, why, differs } = drawnFrom
  return [
    ...only(
      source === 'file',
      `The site was not asked: ${why ?? ''}`,
      'Run this beside a running site. What follows is what the file says.',
    ),
    ...only(
      differs.length > 0,
      `The file says something else than what runs: ${differs.join(', ')}.`,
      'tonewall reload, or a restart; here is what runs.',
    ),
    ...only(
      site.development,
      'Certificates and secrets are those of a development site.',
      'Bring your own, and write certificates.development: false.',
    ),
    ...only(
      site.keyProvider === 'file',
      'The key-encryption key is a file beside the data.',
      'Name an HSM, a KMS or custodians in vault.keys before a real card is taken.',
    ),
    ...only(
      !site.audit.ownKey,
      'The audit record is signed with a key that was made beside it.',
      'Name audit.signingKey.',
    ),
    ...only(!site.audit.collector, 'The audit record is not sent to a collector.', 'Name audit.syslog.'),
    ...only(!site.audit.timeServer, 'Nobody says how far the clock is off.', 'Name audit.timeServer.'),
    ...only(!site.revocationList, 'No certificate can be taken back.', 'Name certificates.revoked.'),
  ]
}

function ofProcesses({ drawnFrom, processes }: Evidence): readonly Finding[] {
  if (drawnFrom.source === 'file') return []
  return processes.flatMap(({ name, role, running }) => {
    if (running === null)
      return one(`${name} was not seen on this machine.`, 'Start it, or run this on its machine, too.')
    const { user, coreBytesMax, capabilities, permissionModel, inspectorShut } = running
    return [
      ...only(
        user === 'root',
        `${name} runs as root.`,
        'Give each process a user of its own: see users in the schema.',
      ),
      ...only(
        coreBytesMax !== null && coreBytesMax !== 0,
        `${name} may write core files.`,
        'Start it through tonewall, or with LimitCORE=0.',
      ),
      ...only(
        capabilities !== null && !NO_CAPABILITIES.test(capabilities),
        `${name} has capabilities (${capabilities ?? ''}).`,
        'Start it without any.',
      ),
      // Node cannot flush to disk under its permission model, which the vault must.
      ...only(
        permissionModel === false && role !== 'vault',
        `${name} runs without Node’s permission model.`,
        'Start it through tonewall, or with its own command.',
      ),
      ...only(
        inspectorShut === false,
        `${name} would open an inspector when it gets SIGUSR1.`,
        'Start it with --disable-sigusr1.',
      ),
    ]
  })
}

function ofPorts({ drawnFrom, ports }: Evidence): readonly Finding[] {
  if (drawnFrom.source === 'file') return []
  return [
    ...ports.declared.flatMap(({ process, transport, host, port, key, state }) => {
      const name = `${transport} ${host}:${port} (${key})`
      return [
        ...only(
          state === 'silent',
          `Nobody listens at ${name}, which is ${process}’s.`,
          `Look at the log of ${process}.`,
        ),
        ...only(
          state === 'held-by-other',
          `${name} is held by another process than ${process}.`,
          'Find out which, and why.',
        ),
      ]
    }),
    ...ports.undeclared.flatMap(({ process, transport, host, port, use }) =>
      only(
        use === 'unknown',
        `${process} listens at ${transport} ${host}:${port}, which no key declares.`,
        'Report it: that should not be.',
      ),
    ),
  ]
}

function ofTls({ drawnFrom, tls, certificates }: Evidence): readonly Finding[] {
  const known = new Set(certificates.map(({ certificate }) => certificate?.sha256))
  if (tls === null) return one('No port was asked which TLS it takes.', 'Run this without --no-handshakes.')
  return tls.flatMap(({ name, host, port, versions, certificate, refusesStrangers }) => {
    const place = `${name} at ${host}:${port}`
    if (versions.every(({ suites }) => suites.length === 0)) {
      return drawnFrom.source === 'file'
        ? []
        : one(`${place} answered no handshake.`, 'Run this from a machine that may connect to it.')
    }
    const old = versions.filter(({ version, suites }) => /^TLSv1(\.1)?$/.test(version) && suites.length > 0)
    const weak = versions.flatMap(({ suites }) => suites.filter((suite) => WEAK_SUITE.test(suite)))
    return [
      ...only(
        old.length > 0,
        `${place} takes ${old.map(({ version }) => version).join(', ')}.`,
        'Report it: nothing older than 1.2 should be taken.',
      ),
      ...only(
        weak.length > 0,
        `${place} takes ${[...new Set(weak)].length} suites without forward secrecy or authenticated encryption.`,
        'Peers that agree on one of them should be upgraded; the list is below.',
      ),
      ...only(
        refusesStrangers === false,
        `${place} lets in who shows no certificate.`,
        'Take it off the network, and report it.',
      ),
      ...only(
        certificate !== null && !known.has(certificate),
        `${place} shows a certificate that is not in its file.`,
        'It was renewed in the file only: tonewall reload for SIP, a restart for others.',
      ),
    ]
  })
}

function ofCertificates({ certificates }: Evidence): readonly Finding[] {
  return certificates.flatMap(({ role, file, certificate, problem, keyMode }) => {
    const days = certificate?.daysLeft ?? EXPIRES_SOON_DAYS
    return [
      ...only(problem !== null, `${file}, ${role}: ${problem ?? ''}.`, 'Run this as a user that may read it.'),
      ...only(days < 0, `${file}, ${role}: has expired.`, 'Renew it now.'),
      ...only(days >= 0 && days < EXPIRES_SOON_DAYS, `${file}, ${role}: ends in ${days} days.`, 'Renew it.'),
      ...only(
        keyMode !== null && !/^0[0-7]00$/.test(keyMode),
        `The key of ${file} can be read by others (${keyMode ?? ''}).`,
        'chmod 600.',
      ),
    ]
  })
}

function ofKeys({ keys }: Evidence): readonly Finding[] {
  if (keys.kind === 'unread') return one('The keys of the vault were not listed.', keys.text)
  return keys.keys.flatMap(({ keyId, purpose, isOverdue }) =>
    only(
      isOverdue,
      `The key ${keyId} (${purpose}) is in use beyond its period.`,
      'Rotate it, and have what it sealed sealed anew.',
    ),
  )
}

function ofSoftware({ software, billOfMaterials, sources }: Evidence): readonly Finding[] {
  const other = software.packages.filter(({ installed }) => !installed).map(({ name }) => name)
  const changed = sources.revision?.changed ?? 0
  return [
    ...only(
      'missing' in billOfMaterials,
      'There is no bill of materials.',
      'missing' in billOfMaterials ? billOfMaterials.missing : '',
    ),
    ...only(other.length > 0, `Packages that are not installed as the lockfile says: ${other.join(', ')}.`, 'npm ci.'),
    ...only(changed > 0, `${changed} files differ from the commit.`, 'Run what was released.'),
  ]
}

function ofLeak({ leak }: Evidence): readonly Finding[] {
  if (leak === null) return one('There are no results of the attack bench.', 'npm run bench -- leak')
  return leak.goals
    .filter(({ met }) => !met)
    .map(({ name, goal, measured }) => ({
      what: `Attack bench, missed: ${name}: ${measured} (goal ${goal}).`,
      cure: 'See its section: judge what it means for the site.',
    }))
}

function only(isSo: boolean, what: string, cure: string): readonly Finding[] {
  return isSo ? one(what, cure) : []
}

function one(what: string, cure: string): readonly Finding[] {
  return [{ what, cure }]
}
