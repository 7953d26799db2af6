import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomBytes, generateKeyPairSync } from 'node:crypto'
import forge from 'node-forge'
import { clientName, ROLES, roleName } from '../src/kit/identity.ts'

/** Development certificates are made again when less than this is left, so that a checkout never wakes up expired. */
const RENEW_BEFORE_MS = 7 * 86_400_000
const LEAF_VALID_MS = 90 * 86_400_000
const AUTHORITY_VALID_MS = 365 * 86_400_000
/** Clocks of several machines differ a little. */
const BACKDATE_MS = 3_600_000
const RSA_BITS = 3_072

/**
 * Makes a certificate authority and one leaf for each role in `folder` (ca.crt, ca.key, <role>.crt, <role>.key), for
 * development only: production brings its own authority. Leaves what is still good. Keys get mode 0600. Clients of the vault's API
 * get one each, too: <name>.<role>.crt and .key.
 */
export function makeDevelopmentAuthority(
  folder: string,
  clients: readonly { readonly name: string; readonly role: string }[] = [],
): { readonly made: readonly string[] } {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const made: string[] = []
  const caFile = join(folder, 'ca.crt')
  const caKeyFile = join(folder, 'ca.key')
  let authorityIsNew = false
  if (!isGood(caFile) || !existsSync(caKeyFile)) {
    const key = makeKey()
    const name = [{ name: 'commonName', value: `Tonewall development authority ${randomBytes(4).toString('hex')}` }]
    const certificate = makeCertificate({ key, subject: name, issuer: name, signer: key, validMs: AUTHORITY_VALID_MS })
    certificate.setExtensions([
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      { name: 'subjectKeyIdentifier' },
    ])
    certificate.sign(key.privateKey, forge.md.sha256.create())
    writeKey(caKeyFile, forge.pki.privateKeyToPem(key.privateKey))
    writeFileSync(caFile, forge.pki.certificateToPem(certificate))
    made.push('ca')
    authorityIsNew = true
  }
  const authority = {
    certificate: forge.pki.certificateFromPem(readFileSync(caFile, 'utf8')),
    key: forge.pki.privateKeyFromPem(readFileSync(caKeyFile, 'utf8')),
  }
  const leaves = [
    ...ROLES.map((role) => ({ file: role, dnsName: roleName(role) })),
    ...clients.map((client) => ({ file: `${client.name}.${client.role}`, dnsName: clientName(client) })),
  ]
  for (const leaf of leaves) {
    const { file } = leaf
    if (!authorityIsNew && isGood(join(folder, `${file}.crt`)) && existsSync(join(folder, `${file}.key`))) continue
    makeLeaf(folder, leaf, authority)
    made.push(file)
  }
  return { made }
}

type KeyPair = { readonly privateKey: forge.pki.rsa.PrivateKey; readonly publicKey: forge.pki.rsa.PublicKey }

function makeLeaf(
  folder: string,
  { file, dnsName }: { readonly file: string; readonly dnsName: string },
  authority: { readonly certificate: forge.pki.Certificate; readonly key: forge.pki.PrivateKey },
): void {
  const key = makeKey()
  const certificate = makeCertificate({
    key,
    subject: [{ name: 'commonName', value: dnsName }],
    issuer: authority.certificate.subject.attributes,
    signer: { privateKey: authority.key },
    validMs: LEAF_VALID_MS,
  })
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
    { name: 'subjectAltName', altNames: [{ type: 2, value: dnsName }] },
  ])
  certificate.sign(authority.key as forge.pki.rsa.PrivateKey, forge.md.sha256.create())
  writeKey(join(folder, `${file}.key`), forge.pki.privateKeyToPem(key.privateKey))
  writeFileSync(join(folder, `${file}.crt`), forge.pki.certificateToPem(certificate))
}

/** Node makes the prime numbers (fast, native); node-forge makes the certificate around them. */
function makeKey(): KeyPair {
  const pair = generateKeyPairSync('rsa', {
    modulusLength: RSA_BITS,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  return {
    privateKey: forge.pki.privateKeyFromPem(pair.privateKey),
    publicKey: forge.pki.publicKeyFromPem(pair.publicKey),
  }
}

function makeCertificate(options: {
  readonly key: KeyPair
  readonly subject: forge.pki.CertificateField[]
  readonly issuer: forge.pki.CertificateField[]
  readonly signer: { readonly privateKey: forge.pki.PrivateKey }
  readonly validMs: number
}): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = options.key.publicKey
  // Positive, and without the padding that DER forbids: the first byte lies between 40 and 7f (RFC 5280 section 4.1.2.2).
  const serial = randomBytes(16)
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0)
  certificate.serialNumber = serial.toString('hex')
  certificate.validity.notBefore = new Date(Date.now() - BACKDATE_MS)
  certificate.validity.notAfter = new Date(Date.now() + options.validMs)
  certificate.setSubject(options.subject)
  certificate.setIssuer(options.issuer)
  return certificate
}

function isGood(file: string): boolean {
  if (!existsSync(file)) return false
  try {
    return (
      forge.pki.certificateFromPem(readFileSync(file, 'utf8')).validity.notAfter.getTime() - Date.now() >
      RENEW_BEFORE_MS
    )
  } catch {
    return false
  }
}

function writeKey(file: string, pem: string): void {
  const fresh = `${file}.new`
  writeFileSync(fresh, pem, { mode: 0o600 })
  chmodSync(fresh, 0o600)
  renameSync(fresh, file)
}
