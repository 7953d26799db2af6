/**
 * Which SRTP keys are good enough (RFC 4568, RFC 6188, RFC 7714). Suites that do not encrypt are never taken nor
 * offered; the one with a tag of 32 bits only when the peer has no other.
 */
const STRONG_SUITES: ReadonlySet<string> = new Set([
  'AEAD_AES_256_GCM',
  'AEAD_AES_128_GCM',
  'AES_256_CM_HMAC_SHA1_80',
  'AES_192_CM_HMAC_SHA1_80',
  'AES_CM_128_HMAC_SHA1_80',
])
const LAST_RESORT = 'AES_CM_128_HMAC_SHA1_32'
/** rtpengine knows these too. */
const WEAK_SUITES = [
  'AES_256_CM_HMAC_SHA1_32',
  'AES_192_CM_HMAC_SHA1_32',
  'F8_128_HMAC_SHA1_80',
  'F8_128_HMAC_SHA1_32',
  'NULL_HMAC_SHA1_80',
  'NULL_HMAC_SHA1_32',
] as const

const CRYPTO = /^a=crypto:(\d{1,9}) (\S+) inline:\S+(?: (.*))?$/
/** RFC 4568 section 6.3: session parameters that take the protection away. */
const UNPROTECTED = /\bUN(ENCRYPTED|AUTHENTICATED)_SRTC?P\b/

/** The lines without the keys that are not good enough. Null when none of its keys is. */
export function keepGoodKeys(lines: readonly string[]): readonly string[] | null {
  const suites = suitesOf(lines)
  const good = suites.some((suite) => STRONG_SUITES.has(suite))
    ? STRONG_SUITES
    : new Set(suites.includes(LAST_RESORT) ? [LAST_RESORT] : [])
  if (good.size === 0) return null
  return lines.filter((line) => !line.startsWith('a=crypto:') || good.has(suiteOf(line) ?? ''))
}

/**
 * rtpengine's SDES options for a leg. `peers`: the suites that either leg has named, which must not be struck out.
 * pad: keys with their last `=`, which RFC 4568 section 6.1 lets be discarded but decoders, such as baresip's, want to see.
 */
export function sdesOptions(peers: readonly string[]): readonly string[] {
  const struckOut = [...WEAK_SUITES, LAST_RESORT].filter((suite) => !peers.includes(suite))
  return ['pad', ...struckOut.map((suite) => `no-${suite}`)]
}

/** The suites of the a=crypto lines that can be used, in order. */
export function suitesOf(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => suiteOf(line) ?? [])
}

/**
 * What is in use of an offer that was answered: the one key that the answer took (RFC 4568 section 5.1.3), and the DTLS role
 * that the answer left (RFC 5763 section 5). rtpengine, told the description again, must not choose anew.
 */
export function settledBy(answer: readonly string[], offered: readonly string[]): readonly string[] {
  const taken = CRYPTO.exec(answer.find((line) => line.startsWith('a=crypto:')) ?? '')?.[1]
  const role = answer.map((line) => /^a=setup:(active|passive)$/.exec(line)?.[1]).find((found) => found !== undefined)
  const hasTaken = taken !== undefined && offered.some((line) => CRYPTO.exec(line)?.[1] === taken)
  return offered
    .filter((line) => !hasTaken || !line.startsWith('a=crypto:') || CRYPTO.exec(line)?.[1] === taken)
    .map((line) =>
      role !== undefined && line === 'a=setup:actpass' ? `a=setup:${role === 'active' ? 'passive' : 'active'}` : line,
    )
}

function suiteOf(line: string): string | null {
  const [, , suite, parameters = ''] = CRYPTO.exec(line) ?? []
  return suite === undefined || UNPROTECTED.test(parameters) ? null : suite
}
