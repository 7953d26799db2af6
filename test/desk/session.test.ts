import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { AgentDirectory } from '../../src/desk/agent-directory.ts'
import { Sessions } from '../../src/desk/session.ts'

const folder = mkdtempSync(join(tmpdir(), 'tonewall-session-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const MINUTE_MS = 60_000

function directoryWith(token: string): AgentDirectory {
  writeFileSync(join(folder, 'token'), `${token}\n`)
  const directory = AgentDirectory.read([{ name: 'alice', role: 'agent', tokenFile: join(folder, 'token') }])
  if (!(directory instanceof AgentDirectory)) throw new Error('the test has a bad token')
  return directory
}

const directory = directoryWith('a'.repeat(32))
const alice = { name: 'alice', role: 'agent' } as const
let nowMs = 1_750_000_000_000
const sessions = new Sessions({ directory, now: () => nowMs })
const mustCheck = (token: string) => {
  const session = sessions.check(token)
  if (session === null) throw new Error('the session should be good')
  return session
}

t.test('a session is good for fifteen minutes without input, and not for longer', (t) => {
  const token = sessions.start(alice)
  nowMs += 15 * MINUTE_MS - 1_000
  t.match(sessions.check(token), { agent: alice })
  nowMs += 2_000
  t.equal(sessions.check(token), null)
  t.end()
})

t.test('input keeps it alive, streams that are open already too, but for twelve hours at most', (t) => {
  let token = sessions.start(alice)
  const first = mustCheck(token)
  for (let minutes = 0; minutes < 12 * 60 - 10; minutes += 10) {
    nowMs += 10 * MINUTE_MS
    token = sessions.renew(mustCheck(token))
    t.ok(sessions.isGood(first))
  }
  nowMs += 11 * MINUTE_MS
  t.equal(sessions.check(token), null)
  t.notOk(sessions.isGood(first))
  t.end()
})

t.test('signing out ends every token of the session, and no other session', (t) => {
  const token = sessions.start(alice)
  const other = sessions.start(alice)
  const session = mustCheck(token)
  const renewed = sessions.renew(session)
  sessions.end(session)
  t.same([sessions.check(token), sessions.check(renewed), sessions.isGood(session)], [null, null, false])
  t.ok(sessions.check(other))
  t.end()
})

t.test('a session outlives a restart, and ends with the token that it came from', (t) => {
  const token = sessions.start(alice)
  const restarted = new Sessions({ directory, now: () => nowMs })
  t.match(restarted.check(token), { agent: alice })
  t.ok(restarted.isGood(mustCheck(token)))
  t.equal(new Sessions({ directory: directoryWith('b'.repeat(32)), now: () => nowMs }).check(token), null)
  t.end()
})

t.test('a changed, forged or malformed token is no session', (t) => {
  const token = sessions.start(alice)
  const [claim = '', signature = ''] = token.slice(4).split('.')
  const forged = Buffer.from(JSON.stringify({ name: 'alice', id: 'x'.repeat(12), startedS: 1, activeS: 4_000_000_000 }))
  const bad = [
    '',
    'tws_',
    `tws_${claim}`,
    `tws_${claim}.${'A'.repeat(43)}`,
    `tws_${forged.toString('base64url')}.${signature}`,
  ]
  for (const text of [...bad, `${token}x`, ` ${token}`, `tws_${'A'.repeat(5_000)}.${signature}`, 'tws_bnVsbA.aaaa']) {
    t.equal(sessions.check(text), null, text.slice(0, 40))
  }
  for (let place = 4; place < token.length - 1; place += 1) {
    if (token[place] === '.') continue
    const changed = token.slice(0, place) + (token[place] === 'A' ? 'B' : 'A') + token.slice(place + 1)
    if (sessions.check(changed) !== null) t.fail('a changed token was taken')
  }
  t.end()
})
