import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { AgentDirectory } from '../../src/desk/agent-directory.ts'

const folder = mkdtempSync(join(tmpdir(), 'tonewall-agents-'))
t.teardown(() => rmSync(folder, { recursive: true }))

function agent(name: string, content: string | null) {
  const tokenFile = join(folder, `${name}-${Math.random()}`)
  if (content !== null) writeFileSync(tokenFile, content)
  return { name, role: 'agent', tokenFile } as const
}

const good = 'Zm9yIHRlc3RzIG9ubHkgLSBhbGljZQ=='

t.test('the first line of the file is the token, whatever ends it', (t) => {
  for (const end of ['', '\n', '\r\nsecond line\n']) {
    const directory = AgentDirectory.read([agent('alice', good + end)])
    if (!(directory instanceof AgentDirectory)) return t.fail('refused')
    t.same(directory.byToken(good), { name: 'alice', role: 'agent' })
    t.equal(directory.byToken(`${good}=`), null)
    t.equal(directory.byToken(''), null)
    t.equal(directory.byName('bob'), null)
  }
  return t.end()
})

t.test('a token that cannot be trusted keeps the desk from starting, and says whose it is', (t) => {
  const read = (...agents: Parameters<typeof AgentDirectory.read>[0]) => AgentDirectory.read(agents)
  t.same(read(agent('alice', null)), { kind: 'failed', code: 'token_unreadable', agent: 'alice' })
  t.same(read(agent('alice', '')), { kind: 'failed', code: 'token_too_weak', agent: 'alice' })
  t.same(read(agent('alice', 'short')), { kind: 'failed', code: 'token_too_weak', agent: 'alice' })
  t.same(read(agent('alice', `${good} ${good}`)), { kind: 'failed', code: 'token_too_weak', agent: 'alice' })
  t.same(read(agent('alice', good), agent('bob', good)), { kind: 'failed', code: 'token_shared', agent: 'bob' })
  t.match(read(agent('alice', good), agent('alice', `${good}x`)), { code: 'token_too_weak' })
  t.match(read(agent('alice', good), agent('alice', `x${good}`)), { code: 'agent_twice', agent: 'alice' })
  t.end()
})
