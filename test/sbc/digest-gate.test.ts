import t from 'tap'
import { answerChallenge, NonceCounts } from '../../src/sbc/digest.ts'
import { DigestGate, type DigestGateOptions, type GateAnswer } from '../../src/sbc/digest-gate.ts'
import { readDigests, writeDigest, type DigestAlgorithm } from '../../src/sbc/digest-response.ts'

const PASSWORD = 'a password for tests'
const request = { method: 'REGISTER', uri: 'sip:alice@pbx.example:5060;transport=tcp' }

function gate(options: Partial<DigestGateOptions> = {}): { gate: DigestGate; clock: { nowMs: number } } {
  const clock = { nowMs: 1_000 }
  const built = new DigestGate({
    realm: 'pbx.example',
    passwordOf: (user) => (user === 'alice' || user === 'bob "b"' ? PASSWORD : undefined),
    nowMs: () => clock.nowMs,
    ...options,
  })
  return { gate: built, clock }
}

function challengesOf(answer: GateAnswer): readonly string[] {
  if (answer.kind !== 'challenge') throw new Error('not challenged')
  return answer.challenges
}

function credentials(
  challenges: readonly string[],
  more: { user?: string; password?: string; uri?: string; nonceCounts?: NonceCounts } = {},
): string {
  const answer = answerChallenge({
    ...request,
    user: 'alice',
    password: PASSWORD,
    nonceCounts: new NonceCounts(),
    ...more,
    challenges,
  })
  if (answer.kind === 'refused') throw new Error(answer.code)
  return answer.credentials
}

const codeOf = (answer: GateAnswer): string => (answer.kind === 'accepted' ? `accepted ${answer.user}` : answer.code)

t.test('a request without credentials is challenged with SHA-256 first, then MD5', (t) => {
  const answer = gate().gate.check({ ...request, credentials: [] })
  t.equal(codeOf(answer), 'missing')
  const offered = readDigests(challengesOf(answer))
  t.same(
    offered.map((challenge) => challenge.get('algorithm')),
    ['SHA-256', 'MD5'],
  )
  t.same(
    offered.map((challenge) => [challenge.get('qop'), challenge.get('stale'), challenge.get('realm')]),
    [
      ['auth', undefined, 'pbx.example'],
      ['auth', undefined, 'pbx.example'],
    ],
  )
  t.match(challengesOf(answer)[0], /qop="auth"/)
  t.end()
})

for (const algorithm of ['SHA-256', 'SHA-256-sess', 'MD5', 'MD5-sess'] satisfies DigestAlgorithm[]) {
  t.test(`right credentials of ${algorithm} are accepted, wrong ones and unknown users are not told apart`, (t) => {
    const { gate: door } = gate({ algorithms: [algorithm] })
    const challenges = challengesOf(door.check({ ...request, credentials: [] }))
    const check = (value: string): string => codeOf(door.check({ ...request, credentials: [value] }))
    t.equal(check(credentials(challenges)), 'accepted alice')
    t.equal(check(credentials(challenges, { user: 'bob "b"', uri: 'sip:alice@PBX.example' })), 'replayed')
    t.equal(check(credentials(challenges, { password: 'another' })), 'wrong')
    t.equal(check(credentials(challenges, { user: 'mallory' })), 'wrong')
    const other = door.check({ ...request, method: 'INVITE', credentials: [credentials(challenges)] })
    t.equal(codeOf(other), 'wrong', 'made for another method')
    t.end()
  })
}

t.test('a user with quotes in its name is the same user', (t) => {
  const { gate: door } = gate()
  const challenges = challengesOf(door.check({ ...request, credentials: [] }))
  t.equal(
    codeOf(door.check({ ...request, credentials: [credentials(challenges, { user: 'bob "b"' })] })),
    'accepted bob "b"',
  )
  t.end()
})

t.test('a nonce counts up, and neither a repeated nor an older count is taken', (t) => {
  const { gate: door } = gate()
  const challenges = challengesOf(door.check({ ...request, credentials: [] }))
  const nonceCounts = new NonceCounts()
  const [one, two, three] = [0, 1, 2].map(() => credentials(challenges, { nonceCounts }))
  const check = (value: string | undefined): GateAnswer => door.check({ ...request, credentials: [value ?? ''] })
  t.equal(codeOf(check(one)), 'accepted alice')
  const replayed = check(one)
  t.equal(codeOf(replayed), 'replayed')
  t.equal(readDigests(challengesOf(replayed))[0]?.get('stale'), 'true', 'an honest peer tries again with a new nonce')
  t.equal(codeOf(check(three)), 'accepted alice')
  t.equal(codeOf(check(two)), 'replayed')
  t.end()
})

t.test('an old nonce and one of another gate are stale, and stale is only said to who knows the password', (t) => {
  const { gate: door, clock } = gate({ nonceLifetimeMs: 60_000 })
  const challenges = challengesOf(door.check({ ...request, credentials: [] }))
  const foreign = challengesOf(gate().gate.check({ ...request, credentials: [] }))
  const check = (value: string): string => codeOf(door.check({ ...request, credentials: [value] }))
  t.equal(check(credentials(foreign)), 'stale')
  t.equal(check(credentials(foreign, { password: 'another' })), 'wrong')
  t.equal(check(credentials(['Digest realm="pbx.example", nonce="mine", qop="auth"'])), 'stale')
  clock.nowMs += 60_001
  t.equal(check(credentials(challenges)), 'stale')
  t.end()
})

t.test('a peer without qop is let in once for each nonce', (t) => {
  const { gate: door } = gate()
  const [challenge] = readDigests(challengesOf(door.check({ ...request, credentials: [] })))
  const old = `Digest realm="pbx.example", nonce="${challenge?.get('nonce') ?? ''}", algorithm=MD5`
  const value = credentials([old])
  t.notMatch(value, 'qop')
  t.equal(codeOf(door.check({ ...request, credentials: [value] })), 'accepted alice')
  t.equal(codeOf(door.check({ ...request, credentials: [value] })), 'replayed')
  t.end()
})

t.test('credentials for another target, realm or algorithm are not taken, nor what cannot be read', (t) => {
  const { gate: door } = gate({ algorithms: ['SHA-256'] })
  const challenges = challengesOf(door.check({ ...request, credentials: [] }))
  const check = (value: string): string => codeOf(door.check({ ...request, credentials: [value] }))
  t.equal(check(credentials(challenges, { uri: 'sip:bob@pbx.example' })), 'malformed')
  t.equal(check(credentials(challenges, { uri: 'sip:alice@other.example' })), 'malformed')
  t.equal(check(credentials(challenges.map((value) => value.replace('SHA-256', 'MD5')))), 'malformed')
  t.equal(check(credentials(challenges.map((value) => value.replace('pbx.example', 'other')))), 'missing')
  const right = readDigests([credentials(challenges)])[0] ?? new Map<string, string>()
  for (const [name, value] of [
    ['response', ''],
    ['response', 'z'.repeat(64)],
    ['nc', '1'],
    ['cnonce', undefined],
    ['qop', 'auth-int'],
    ['nonce', undefined],
    ['uri', undefined],
  ] as const) {
    const changed = [...right].flatMap(([key, old]): [string, string][] =>
      key !== name ? [[key, old]] : value === undefined ? [] : [[key, value]],
    )
    t.equal(check(writeDigest(changed)), 'malformed', name)
  }
  t.equal(check('Basic YTpi'), 'missing')
  t.end()
})

t.test('what is forgotten of used nonces lets none of them in again', (t) => {
  const { gate: door, clock } = gate()
  const first = challengesOf(door.check({ ...request, credentials: [] }))
  const value = credentials(first)
  t.equal(codeOf(door.check({ ...request, credentials: [value] })), 'accepted alice')
  for (let index = 0; index < 10_000; index += 1) {
    clock.nowMs += 1
    const challenges = challengesOf(door.check({ ...request, credentials: [] }))
    door.check({ ...request, credentials: [credentials(challenges.slice(1))] })
  }
  t.equal(codeOf(door.check({ ...request, credentials: [value] })), 'stale')
  t.end()
})
