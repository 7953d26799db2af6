import t from 'tap'
import { answerChallenge, NonceCounts } from '../../src/sbc/digest.ts'
import { digestResponse, readDigests, type DigestAlgorithm } from '../../src/sbc/digest-response.ts'

const request = {
  method: 'REGISTER',
  uri: 'sip:carrier.example',
  user: 'trunk',
  password: 'a password for tests',
}

function answered(challenges: readonly string[], more: object = {}): ReadonlyMap<string, string> {
  const answer = answerChallenge({ ...request, challenges, nonceCounts: new NonceCounts(), ...more })
  if (answer.kind === 'refused') throw new Error(answer.code)
  const [credentials] = readDigests([answer.credentials])
  if (credentials === undefined) throw new Error('cannot be read')
  return credentials
}

for (const algorithm of ['SHA-256', 'SHA-256-sess', 'MD5', 'MD5-sess'] satisfies DigestAlgorithm[]) {
  for (const qop of ['auth', 'auth-int', undefined] as const) {
    t.test(`a challenge for ${algorithm}, qop ${qop ?? 'absent'}, is answered with what the server expects`, (t) => {
      const offered = qop === undefined ? '' : `, qop="${qop}"`
      const body = Buffer.from('v=0')
      const given = answered([`Digest realm="r", nonce="n", opaque="o", algorithm=${algorithm}${offered}`], { body })
      t.equal(given.get('username'), 'trunk')
      t.equal(given.get('opaque'), 'o')
      t.equal(given.get('algorithm'), algorithm)
      t.equal(given.get('qop'), qop)
      t.equal(
        given.get('response'),
        digestResponse({
          ...request,
          algorithm,
          realm: 'r',
          nonce: 'n',
          body,
          qop: qop === undefined ? undefined : { name: qop, nonceCount: given.get('nc') ?? '' },
          cnonce: given.get('cnonce') ?? '',
        }),
      )
      t.end()
    })
  }
}

t.test('the topmost challenge that can be computed is taken', (t) => {
  const sha512 = 'Digest realm="r", nonce="n0", algorithm=SHA-512-256, qop="auth"'
  const sha256 = 'Digest realm="r", nonce="n1", algorithm=SHA-256, qop="auth"'
  const md5 = 'Digest realm="r", nonce="n2", algorithm=MD5, qop="auth"'
  t.equal(answered([sha512, sha256, md5]).get('nonce'), 'n1')
  t.equal(answered([`${md5},${sha256}`]).get('nonce'), 'n2', 'joined by drachtio-srf')
  t.equal(
    answered(['Digest realm="r", nonce="n3", qop="auth-conf"', 'Digest realm="r", nonce="n4"']).get('nonce'),
    'n4',
  )
  t.end()
})

t.test('auth is preferred to auth-int, and each use of a nonce counts', (t) => {
  const nonceCounts = new NonceCounts()
  const challenges = ['Digest realm="r", nonce="n", qop="auth-int,auth"']
  const first = answered(challenges, { nonceCounts })
  t.equal(first.get('qop'), 'auth')
  t.equal(first.get('nc'), '00000001')
  t.equal(answered(challenges, { nonceCounts }).get('nc'), '00000002')
  t.not(first.get('cnonce'), answered(challenges, { nonceCounts }).get('cnonce'))
  t.end()
})

t.test('credentials that the peer has refused are not sent again, unless their nonce was stale', (t) => {
  const nonceCounts = new NonceCounts()
  const challenges = ['Digest realm="r", nonce="n", qop="auth"']
  const first = answerChallenge({ ...request, challenges, nonceCounts })
  if (first.kind === 'refused') return void t.fail(first.code)
  const sent = first.credentials
  t.same(answerChallenge({ ...request, challenges: ['Digest realm="r", nonce="m"'], nonceCounts, sent }), {
    kind: 'refused',
    code: 'rejected',
  })
  t.equal(
    answerChallenge({ ...request, challenges: ['Digest realm="r", nonce="m", stale=TRUE'], nonceCounts, sent }).kind,
    'answered',
  )
  t.equal(
    answerChallenge({ ...request, challenges: ['Digest realm="proxy", nonce="m"'], nonceCounts, sent }).kind,
    'answered',
    'another realm has not seen any yet',
  )
  t.end()
})

t.test('what is no challenge of ours, and what cannot stand in a header, is refused', (t) => {
  const nonceCounts = new NonceCounts()
  const refused = (more: object): string => {
    const answer = answerChallenge({ ...request, challenges: ['Digest realm="r", nonce="n"'], nonceCounts, ...more })
    return answer.kind === 'refused' ? answer.code : answer.credentials
  }
  t.equal(refused({ challenges: [] }), 'not_digest')
  t.equal(refused({ challenges: ['Basic realm="r"'] }), 'not_digest')
  t.equal(refused({ challenges: ['Digest realm="r", nonce=""'] }), 'not_digest')
  t.equal(refused({ challenges: ['Digest nonce="n"'] }), 'not_digest')
  t.equal(refused({ user: 'a\r\nVia: x' }), 'unwritable')
  t.equal(refused({ user: '' }), 'unwritable')
  t.equal(refused({ uri: 'sip:a"b' }), 'unwritable')
  t.match(refused({ user: 'a"b' }), 'username="a\\"b"')
  t.end()
})

t.test('old nonces are forgotten', (t) => {
  const nonceCounts = new NonceCounts()
  for (let index = 0; index <= 1_000; index += 1) nonceCounts.next(String(index))
  t.equal(nonceCounts.next('1000'), '00000002')
  t.equal(nonceCounts.next('0'), '00000001')
  t.end()
})
