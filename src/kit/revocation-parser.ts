/**
 * The serial numbers of a CRL, in hexadecimal without leading zeros, beside the PEM they are from. `nextUpdateMs`: when its time is over, of
 * several lists that of the first one; null when none says.
 */
export type Revocations = {
  readonly pem: Buffer
  readonly serials: ReadonlySet<string>
  readonly nextUpdateMs: number | null
}

const PEM_BLOCK = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/g

/**
 * Reads one CRL or several behind each other, or null when there is none or one is broken. Nothing is verified here: TLS does that with
 * the PEM, and the serial numbers only say whose open connections end.
 */
export function parseRevocations(pem: Buffer): Revocations | null {
  const serials = new Set<string>()
  const ends: number[] = []
  const blocks = [...pem.toString('latin1').matchAll(PEM_BLOCK)]
  if (blocks.length === 0) return null
  for (const [, body = ''] of blocks) {
    const found = listOf(Buffer.from(body, 'base64'))
    if (found === null) return null
    for (const serial of found.serials) serials.add(serial)
    if (found.nextUpdateMs !== null) ends.push(found.nextUpdateMs)
  }
  return { pem, serials, nextUpdateMs: ends.length === 0 ? null : Math.min(...ends) }
}

const INTEGER = 0x02
const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18
const SEQUENCE = 0x30

/**
 * RFC 5280 section 5.1:
 *
 *     CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signature }
 *     tbsCertList ::= SEQUENCE { version INTEGER OPTIONAL, signature SEQUENCE, issuer SEQUENCE, thisUpdate Time, nextUpdate Time OPTIONAL,
 *                                revokedCertificates SEQUENCE OF SEQUENCE { userCertificate INTEGER, ... } OPTIONAL, ... }
 */
function listOf(der: Buffer): { readonly serials: readonly string[]; readonly nextUpdateMs: number | null } | null {
  const list = elementsOf(der)?.[0]
  const signed = list?.tag === SEQUENCE ? elementsOf(list.content)?.[0] : undefined
  const fields = signed?.tag === SEQUENCE ? elementsOf(signed.content) : null
  if (fields === null) return null
  const thisUpdate = fields.findIndex(({ tag }) => isTime(tag))
  if (thisUpdate < 2) return null
  const nextUpdate = fields[thisUpdate + 1]
  const nextUpdateMs = nextUpdate === undefined || !isTime(nextUpdate.tag) ? null : timeOf(nextUpdate)
  if (Number.isNaN(nextUpdateMs)) return null
  const behind = fields.slice(thisUpdate).find(({ tag }) => !isTime(tag))
  if (behind?.tag !== SEQUENCE) return { serials: [], nextUpdateMs }
  const serials = elementsOf(behind.content)?.map(({ tag, content }) => {
    const serial = tag === SEQUENCE ? elementsOf(content)?.[0] : undefined
    return serial?.tag === INTEGER ? serial.content.toString('hex').replace(/^0+(?=.)/, '') : null
  })
  return serials?.every((serial) => serial !== null) === true ? { serials, nextUpdateMs } : null
}

/** Two digits of the year up to 2049, four from then on; always to the second, and always UTC. NaN for anything else. */
function timeOf({ tag, content }: Element): number {
  const text = content.toString('latin1')
  const year = tag === UTC_TIME ? (/^[0-4]/.test(text) ? '20' : '19') : ''
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(year + text) ?? []
  const [years, month, day, hour, minute, second] = parts
  return Date.parse([[years, month, day].join('-'), 'T', [hour, minute, second].join(':'), 'Z'].join(''))
}

function isTime(tag: number): boolean {
  return tag === UTC_TIME || tag === GENERALIZED_TIME
}

type Element = { readonly tag: number; readonly content: Buffer }

/** The elements that follow each other (DER, X.690): a tag of one byte, a length, the content. Null when they do not fit. */
function elementsOf(der: Buffer): readonly Element[] | null {
  const elements: Element[] = []
  let offset = 0
  while (offset < der.length) {
    const tag = der[offset] ?? 0
    const first = der[offset + 1] ?? LENGTH_OF_LENGTH
    offset += 2
    const lengthBytes = first < LENGTH_OF_LENGTH ? 0 : first - LENGTH_OF_LENGTH
    if (lengthBytes > LENGTH_BYTES_MAX || (first === LENGTH_OF_LENGTH && lengthBytes === 0)) return null
    if (offset + lengthBytes > der.length) return null
    const length = lengthBytes === 0 ? first : der.readUIntBE(offset, lengthBytes)
    offset += lengthBytes
    if (offset + length > der.length) return null
    elements.push({ tag, content: der.subarray(offset, offset + length) })
    offset += length
  }
  return elements
}

/** From here on the byte counts those of the length behind it. */
const LENGTH_OF_LENGTH = 0x80
/** Four gigabytes, far above any file that is read. */
const LENGTH_BYTES_MAX = 4
