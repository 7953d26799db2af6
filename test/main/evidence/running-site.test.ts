import t, { type Test } from 'tap'
import { createLogger } from '../../../src/kit/log.ts'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../../src/main/configuration.ts'
import { lookAtSite } from '../../../src/main/evidence/running-site.ts'
import { CallDirectory } from '../../../src/sbc/call-directory.ts'
import { CallJournal } from '../../../src/sbc/call-journal.ts'
import { DeskServer, type RunningSite } from '../../../src/sbc/desk-server.ts'
import { OperatorAnswers } from '../../../src/sbc/operator-answers.ts'
import type { Configuration } from '../../../src/wire/configuration.ts'
import { freePort } from '../../fakes/free-port.ts'
import { sharedCertificates, sharedIdentity } from '../../fakes/shared-certificates.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration is good')
const shipped = loaded.configuration

function configurationWith(sbcPort: number): Configuration {
  return {
    ...shipped,
    certificates: { folder: sharedCertificates(), development: false, revoked: null },
    sbc: { host: '127.0.0.1', port: sbcPort },
  }
}

async function sbc(t: Test, running: () => RunningSite | null): Promise<number> {
  const server = new DeskServer({
    directory: new CallDirectory(),
    selfTests: { now: () => Promise.resolve([]) },
    operators: new OperatorAnswers({
      journal: new CallJournal({ dateMs: () => Date.now(), finished: () => undefined }),
    }),
    running,
  })
  const logger = createLogger({ role: 'test', level: 'silent' })
  await server.listen({ host: '127.0.0.1', port: 0, identity: sharedIdentity('sbc'), logger })
  t.teardown(() => server.close())
  return server.port
}

t.test('what runs is drawn, not what the file says, and keys that differ are named', async (t) => {
  const told: { site: RunningSite } = { site: { version: '1.2.3', configuration: '' } }
  const port = await sbc(t, () => told.site)
  const file = configurationWith(port)
  told.site = { version: '1.2.3', configuration: JSON.stringify(file) }
  const same = await lookAtSite(file, '1.2.3')
  t.match(same, { kind: 'seen', from: { source: 'running', why: null, differs: [] } })

  const running = { ...file, merchant: 'other', trunks: file.trunks.slice(0, 1) }
  told.site = { version: '1.2.3', configuration: JSON.stringify(running) }
  const changed = await lookAtSite(file, '1.2.3')
  if (changed.kind !== 'seen') throw new Error(changed.text)
  t.same(changed.configuration, JSON.parse(JSON.stringify(running)))
  t.same([...changed.from.differs].sort(), ['merchant', 'trunks'])
})

t.test('a site of another release is not described', async (t) => {
  const port = await sbc(t, () => ({ version: '1.2.4', configuration: '{}' }))
  t.match(await lookAtSite(configurationWith(port), '1.2.3'), { kind: 'refused', text: /of release 1\.2\.4/ })
})

t.test('an sbc that says nothing of itself is not guessed at', async (t) => {
  const port = await sbc(t, () => null)
  t.match(await lookAtSite(configurationWith(port), '1.2.3'), { kind: 'refused', text: /another release/ })
})

t.test('without an sbc the file is drawn, and why is said', async (t) => {
  const file = configurationWith(await freePort())
  const look = await lookAtSite(file, '1.2.3')
  t.match(look, { kind: 'seen', from: { source: 'file', why: /No sbc answers/, differs: [] } })
  if (look.kind === 'seen') t.equal(look.configuration, file)
})
