import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { VaultOrder, VaultOrderReply } from '../../src/cde/vault-operator-protocol.ts'
import { parseVaultOrder } from '../../src/cde/vault-operator-protocol.ts'
import { listenChannel } from '../../src/kit/channel.ts'
import { createLogger } from '../../src/kit/log.ts'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { openVaultLink } from '../../src/main/vault-link.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
const shipped = loaded.configuration

t.test('a vault whose certificate was taken back is given no order and no share', async (t) => {
  const folder = t.testdir()
  const authority = new SipAuthority()
  const [operator, vault] = [leaf('operator'), leaf('vault')]
  function leaf(role: string) {
    return authority.leaf({ dns: [`${role}.tonewall.internal`] })
  }
  writeFileSync(join(folder, 'ca.crt'), authority.certificate)
  writeFileSync(join(folder, 'operator.crt'), operator.certificate)
  writeFileSync(join(folder, 'operator.key'), operator.key)
  const heard: (string | undefined)[] = []
  const listener = await listenChannel<VaultOrderReply, VaultOrder>({
    host: '127.0.0.1',
    port: 0,
    identity: { role: 'vault', ...vault, authority: authority.certificate },
    allow: ['operator'],
    logger: createLogger({ role: 'vault', level: 'silent' }),
    accept: () => ({
      parse: parseVaultOrder,
      message: ({ order }, _body, reply) => {
        heard.push(order)
        reply({ type: 'operator', kind: 'done', count: 0 })
      },
      opened: () => undefined,
      closed: () => undefined,
    }),
  })
  t.teardown(() => listener.close())
  const revoked = join(folder, 'revoked.pem')
  const open = () =>
    openVaultLink({
      certificates: { folder, development: false, revoked },
      vault: { ...shipped.vault, host: '127.0.0.1', port: listener.port },
    })
  writeFileSync(revoked, authority.revocations([]))
  const link = await open()
  if (typeof link === 'string') throw new Error(link)
  t.match(await link.ask({ type: 'operator', order: 'rewrap' }), { kind: 'done' })
  link.close()
  writeFileSync(revoked, authority.revocations([vault]))
  t.match(await open(), /^No vault answers at/)
  writeFileSync(revoked, 'no list')
  t.match(await open(), /the list of revoked ones/)
  t.same(heard, ['rewrap'])
})
