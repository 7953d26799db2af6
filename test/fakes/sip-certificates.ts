import { createSign, generateKeyPairSync, randomBytes } from 'node:crypto'
import forge from 'node-forge'

const DAY_MS = 86_400_000

/** Small, because these keys live for one test file. */
const RSA_BITS = 2_048

export type SipCertificate = { readonly certificate: Buffer; readonly key: Buffer }

type AltName = { readonly type: 2 | 6 | 7; readonly value?: string; readonly ip?: string }

/** An authority for tests of SIP over TLS, and leaves of it with the names and dates that a test wants; all PEM. */
export class SipAuthority {
  readonly #key = makeKey()
  readonly #name = [{ name: 'commonName', value: `test authority ${randomBytes(4).toString('hex')}` }]
  readonly certificate: Buffer

  constructor() {
    const certificate = draft(this.#key.publicKey, this.#name, 30 * DAY_MS)
    certificate.setIssuer(this.#name)
    certificate.setExtensions([
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ])
    certificate.sign(this.#key.privateKey, forge.md.sha256.create())
    this.certificate = Buffer.from(forge.pki.certificateToPem(certificate))
  }

  /** `endsInMs` below zero makes one that has expired. */
  leaf(options: {
    readonly dns?: readonly string[]
    readonly sip?: readonly string[]
    readonly ip?: readonly string[]
    readonly endsInMs?: number
  }): SipCertificate {
    const key = makeKey()
    const certificate = draft(
      key.publicKey,
      [{ name: 'commonName', value: 'common.name.invalid' }],
      options.endsInMs ?? DAY_MS,
    )
    const altNames: AltName[] = [
      ...(options.dns ?? []).map((value): AltName => ({ type: 2, value })),
      ...(options.sip ?? []).map((value): AltName => ({ type: 6, value: `sip:${value}` })),
      ...(options.ip ?? []).map((ip): AltName => ({ type: 7, ip })),
    ]
    certificate.setIssuer(this.#name)
    certificate.setExtensions([
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      { name: 'subjectAltName', altNames },
    ])
    certificate.sign(this.#key.privateKey, forge.md.sha256.create())
    return {
      certificate: Buffer.from(forge.pki.certificateToPem(certificate)),
      key: Buffer.from(forge.pki.privateKeyToPem(key.privateKey)),
    }
  }

  /** A list of the certificates that are taken back (RFC 5280 section 5.1), PEM. `endsInMs` below zero makes one whose time is over. */
  revocations(revoked: readonly SipCertificate[], options: { readonly endsInMs?: number } = {}): Buffer {
    const { asn1 } = forge
    const { Class, Type } = asn1
    const sequence = (...value: readonly forge.asn1.Asn1[]) =>
      asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [...value])
    const integer = (hex: string) => asn1.create(Class.UNIVERSAL, Type.INTEGER, false, forge.util.hexToBytes(hex))
    const time = (atMs: number) => asn1.create(Class.UNIVERSAL, Type.UTCTIME, false, asn1.dateToUtcTime(new Date(atMs)))
    const sha256WithRsa = sequence(
      asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer('1.2.840.113549.1.1.11').getBytes()),
      asn1.create(Class.UNIVERSAL, Type.NULL, false, ''),
    )
    const authority = forge.pki.certificateFromPem(this.certificate.toString())
    const entries = revoked.map(({ certificate }) =>
      sequence(integer(forge.pki.certificateFromPem(certificate.toString()).serialNumber), time(Date.now() - DAY_MS)),
    )
    const list = sequence(
      integer('01'),
      sha256WithRsa,
      forge.pki.distinguishedNameToAsn1(authority.subject),
      time(Date.now() - DAY_MS),
      time(Date.now() + (options.endsInMs ?? DAY_MS)),
      ...(entries.length === 0 ? [] : [sequence(...entries)]),
    )
    const signature = createSign('sha256')
      .update(Buffer.from(asn1.toDer(list).getBytes(), 'latin1'))
      .sign(forge.pki.privateKeyToPem(this.#key.privateKey))
    const bits = asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, '\0' + signature.toString('latin1'))
    const der = Buffer.from(asn1.toDer(sequence(list, sha256WithRsa, bits)).getBytes(), 'latin1')
    const lines = der.toString('base64').replace(/.{64}/g, '$&\n')
    return Buffer.from(`-----BEGIN X509 CRL-----\n${lines}\n-----END X509 CRL-----\n`)
  }
}

function makeKey(): { readonly privateKey: forge.pki.rsa.PrivateKey; readonly publicKey: forge.pki.rsa.PublicKey } {
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

function draft(
  publicKey: forge.pki.rsa.PublicKey,
  subject: forge.pki.CertificateField[],
  endsInMs: number,
): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = publicKey
  certificate.serialNumber = `40${randomBytes(15).toString('hex')}`
  certificate.validity.notBefore = new Date(Date.now() - 2 * DAY_MS)
  certificate.validity.notAfter = new Date(Date.now() + endsInMs)
  certificate.setSubject(subject)
  return certificate
}
