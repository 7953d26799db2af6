import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { openKeys } from '../../src/main/vault-keys.ts'
import type { KekConfiguration } from '../../src/wire/key-configuration.ts'
import { AWS_SECRET, FakeKms, TRANSIT_TOKEN } from '../fakes/fake-kms.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
const { vault } = loaded.configuration

t.test(
  'keys of a KMS are tried at the start; one that is away is said with what to do, and none stays open',
  async (t) => {
    const folder = t.testdir()
    const kms = await FakeKms.start(folder)
    t.teardown(() => kms.close())
    const [credentialsFile, tokenFile] = [join(folder, 'credentials'), join(folder, 'token')]
    writeFileSync(credentialsFile, `aws_access_key_id=A\naws_secret_access_key=${AWS_SECRET}\n`)
    writeFileSync(tokenFile, `${TRANSIT_TOKEN}\n`)
    const { authority, url } = kms
    const aws: KekConfiguration = {
      ...{ provider: 'aws-kms', region: 'eu-central-1', key: 'alias/vault', credentialsFile, endpoint: url, authority },
    }
    const transit: KekConfiguration = {
      ...{ provider: 'transit', url, mount: 'transit', key: 'vault', tokenFile, namespace: null, authority },
    }
    const lines: string[] = []
    const logger = createLogger({ role: 'vault', level: 'info', stream: { write: (line) => lines.push(line) } })
    const open = (kek: KekConfiguration, former: readonly KekConfiguration[] = []) =>
      openKeys({ ...vault, folder, keys: { kek, former, cryptoperiodDays: 90 } }, logger)
    const { kek, formerKeks } = await open(transit, [aws, { provider: 'file', file: null }, { provider: 'custodians' }])
    t.match(kek, { id: 'transit:transit:vault' })
    t.same(
      formerKeks.map(({ provider }) => provider),
      ['aws-kms', 'file'],
    )
    for (const one of formerKeks) one.close()
    if (kek !== 'custodians') kek.close()
    t.same(await open({ provider: 'custodians' }), { kek: 'custodians', formerKeks: [] })
    kms.mood = 'down'
    await t.rejects(open(aws), { code: 'kek_unreachable' })
    t.match(lines.join(''), /"code":"kek_unreachable","state":"status 503".*bring it back or correct its address/)
    kms.mood = 'ok'
    await t.rejects(open(aws, [{ ...transit, key: 'other' }]), { code: 'kek_missing' })
    t.notMatch(lines.join(''), AWS_SECRET)
  },
)
