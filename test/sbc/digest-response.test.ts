import t from 'tap'
import {
  DIGEST_ALGORITHMS,
  algorithmOf,
  digestResponse,
  escapeQuoted,
  readDigests,
  unescapeQuoted,
  writeDigest,
} from '../../src/sbc/digest-response.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

/** RFC 7616 section 3.9.1. */
const MUFASA = {
  user: 'Mufasa',
  realm: 'http-auth@example.org',
  password: 'Circle of Life',
  nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
  method: 'GET',
  uri: '/dir/index.html',
  body: Buffer.alloc(0),
  qop: { name: 'auth', nonceCount: '00000001' },
  cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
} as const

t.test('the examples of RFC 7616 and RFC 2069 come out as printed there', (t) => {
  t.equal(digestResponse({ ...MUFASA, algorithm: 'MD5' }), '8ca523f5e9506fed4657c9700eebdbec')
  t.equal(
    digestResponse({ ...MUFASA, algorithm: 'SHA-256' }),
    '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
  )
  // RFC 2617 section 3.5, and the same without qop as RFC 2069 (its errata 749) has it.
  const old = {
    ...MUFASA,
    realm: 'testrealm@host.com',
    nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
    password: 'Circle Of Life',
    cnonce: '0a4f113b',
    algorithm: 'MD5',
  } as const
  t.equal(digestResponse(old), '6629fae49393a05397450978507c4ef1')
  t.equal(digestResponse({ ...old, qop: undefined }), '670fd8c2df070c60b045671b8b24ff02')
  t.end()
})

t.test('every algorithm, the body with auth-int and the client nonce with -sess make a difference', (t) => {
  const values = DIGEST_ALGORITHMS.flatMap((algorithm) => [
    digestResponse({ ...MUFASA, algorithm }),
    digestResponse({ ...MUFASA, algorithm, qop: { name: 'auth-int', nonceCount: '00000001' } }),
    digestResponse({ ...MUFASA, algorithm, qop: { name: 'auth-int', nonceCount: '00000001' }, body: Buffer.from('a') }),
    digestResponse({ ...MUFASA, algorithm, cnonce: 'other' }),
  ])
  t.equal(new Set(values).size, values.length)
  t.equal(algorithmOf(new Map([['algorithm', 'sha-256-SESS']])), 'SHA-256-sess')
  t.equal(algorithmOf(new Map()), 'MD5')
  t.equal(algorithmOf(new Map([['algorithm', 'AKAv1-MD5']])), undefined)
  t.end()
})

t.test('challenges are read as they occur, one a line or joined by commas', (t) => {
  const joined =
    'Digest realm="a, \\"b\\"", nonce="n1",algorithm=SHA-256 ,qop="auth,auth-int", Basic realm="x",DIGEST realm="c" ,nonce=n2'
  const [first, second, third] = readDigests([joined, 'Digest nonce="n3"'])
  t.same(Object.fromEntries(first ?? []), {
    realm: 'a, \\"b\\"',
    nonce: 'n1',
    algorithm: 'SHA-256',
    qop: 'auth,auth-int',
  })
  t.same(Object.fromEntries(second ?? []), { realm: 'c', nonce: 'n2' })
  t.equal(third?.get('nonce'), 'n3')
  t.equal(unescapeQuoted('a, \\"b\\"'), 'a, "b"')
  t.equal(escapeQuoted('a, "b\\'), 'a, \\"b\\\\')
  t.end()
})

t.test('what is no digest yields nothing, and nonsense ends in a moment', (t) => {
  for (const value of ['', 'Basic dXNlcg==', 'realm="a"', '"', 'Digest', ', ,', 'x'.repeat(9_000)])
    t.same(
      readDigests([value]).filter((parameters) => parameters.size > 0),
      [],
    )
  const startedMs = performance.now()
  readDigests(['Digest '.repeat(1_000), `Digest a=${'"\\'.repeat(4_000)}`, 'a='.repeat(4_000), ' '.repeat(8_000) + '"'])
  t.ok(performance.now() - startedMs < 1_000)
  t.end()
})

t.test('what was written is read again, whatever the values hold', (t) => {
  const random = seededRandom(11)
  const pieces = ['a', '"', '\\', ',', '=', ' ', 'Digest ', 'ä', ';']
  for (let round = 0; round < 2_000; round += 1) {
    const realm = Array.from({ length: random.below(8) }, () => pieces[random.below(pieces.length)]).join('')
    const value = writeDigest([
      ['realm', escapeQuoted(realm)],
      ['nonce', 'n'],
    ])
    const [read] = readDigests([`${value}, ${value}`])
    if (unescapeQuoted(read?.get('realm') ?? '?') !== realm) return void t.fail(value)
  }
  t.pass('2,000 realms')
  t.end()
})
