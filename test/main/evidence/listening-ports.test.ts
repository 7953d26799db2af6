import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../../src/main/configuration.ts'
import { addressText, portInventory, waitingSockets } from '../../../src/main/evidence/listening-ports.ts'
import type { ProcessRow } from '../../../src/main/evidence/process-inventory.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration is good')
const shipped = loaded.configuration

/** This very process in the place of one of the product. */
function inPlaceOf(name: string): ProcessRow {
  const running = {
    pid: process.pid,
    user: '',
    startedAt: null,
    coreBytesMax: null,
    noNewPrivileges: null,
    capabilities: null,
    seccomp: null,
    lockedKiB: null,
    permissionModel: null,
    inspectorShut: null,
  }
  return { name, role: name, running }
}

t.test('addresses are read as the kernel writes them', (t) => {
  t.equal(addressText('0100007F'), '127.0.0.1')
  t.equal(addressText('00000000'), '0.0.0.0')
  t.equal(addressText('00000000000000000000000000000000'), '::')
  t.equal(addressText('00000000000000000000000001000000'), '::1')
  t.equal(addressText('0000000000000000FFFF00000100007F'), '127.0.0.1')
  t.equal(addressText('B80D0120000000000000000001000000'), '2001:db8::1')
  t.end()
})

t.test('what is declared is found with its process, and what is not declared as well', async (t) => {
  const servers = [createServer(), createServer()]
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
  }
  const udp = createSocket('udp4')
  udp.bind(0, '127.0.0.1')
  await once(udp, 'listening')
  t.teardown(() => udp.close())
  const [declared = 0, other = 0] = servers.map((server) => (server.address() as AddressInfo).port)
  t.ok(waitingSockets().some(({ transport, port }) => transport === 'tcp' && port === declared))

  const configuration = {
    ...shipped,
    vault: { ...shipped.vault, port: declared },
    desk: { ...shipped.desk, host: '203.0.113.7' },
  }
  const found = portInventory(configuration, [inPlaceOf('vault')])
  const row = (process: string, key: string) => found.declared.find((one) => one.process === process && one.key === key)
  t.match(row('vault', 'vault.port'), { transport: 'tcp', port: declared, state: 'held' })
  t.match(row('desk', 'desk.port'), { state: 'other-machine' })
  const ports = found.undeclared.map(({ process, transport, port, use }) => [process, transport, port, use].join(' '))
  t.ok(ports.includes(`vault tcp ${other} unknown`), 'a listener that nobody declared')
  t.ok(ports.includes(`vault udp ${udp.address().port} sending`))
  t.notOk(ports.some((text) => text.includes(` ${declared} `)))

  const asGuard = portInventory(configuration, [inPlaceOf('guard-1')])
  t.match(
    asGuard.declared.find(({ key }) => key === 'vault.port'),
    { state: 'held-by-other' },
  )
  t.ok(asGuard.undeclared.some(({ port, use }) => port === udp.address().port && use === 'media'))
  const unseen = portInventory(configuration, [])
  t.match(
    unseen.declared.find(({ key }) => key === 'vault.port'),
    { state: 'held-unseen' },
  )
})
