import { createHash, createHmac } from 'node:crypto'

export type SignedRequest = {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/**
 * AWS Signature Version 4, as its documentation tells it, and not as the product's library does: what a fake of AWS checks requests with. Null
 * when the request is signed by this secret; else why not.
 */
export function signatureProblem(
  request: SignedRequest,
  expected: {
    readonly secret: string
    readonly region: string
    readonly service: string
    readonly signed: readonly string[]
  },
): string | null {
  const authorization = request.headers['authorization'] ?? ''
  const parts = /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
    authorization,
  )
  const [, credential = '', signedHeaders = '', signature = ''] = parts ?? []
  const [, date = '', region, service, end] = credential.split('/')
  if (region !== expected.region || service !== expected.service || end !== 'aws4_request') return 'scope'
  const names = signedHeaders.split(';')
  if (!expected.signed.every((name) => names.includes(name))) return 'headers that must be signed are not'
  if (names.join() !== names.toSorted().join()) return 'order of headers'
  const time = request.headers['x-amz-date'] ?? ''
  if (!time.startsWith(date) || date.length !== 8) return 'date'
  const canonical = [
    ...[request.method, request.path, request.query],
    ...names.map((name) => `${name}:${(request.headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}`),
    ...['', signedHeaders, sha256(request.body)],
  ].join('\n')
  const scope = [date, region, service, 'aws4_request'].join('/')
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(Buffer.from(canonical))].join('\n')
  const key = [date, region, service, 'aws4_request'].reduce<Buffer>(hmac, Buffer.from(`AWS4${expected.secret}`))
  return hmac(key, text).toString('hex') === signature ? null : 'signature'
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
