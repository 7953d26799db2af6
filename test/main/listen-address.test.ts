import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { collide, listenAddresses, type ListenAddress } from '../../src/main/listen-address.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
const { configuration } = loaded

t.test('every port of the shipped configuration is listed with its process and key', (t) => {
  const lines = listenAddresses(configuration).map(
    ({ process, transport, port, path }) => `${process} ${transport} ${port} ${path.join('.')}`,
  )
  t.same(lines, [
    'sipd udp 5060 sip.udp.0.port',
    'sipd tcp 5060 sip.tcp.0.port',
    'sipd tcp 9022 sip.control.port',
    'media-1 udp 22230 rtpengines.0.port',
    'guard-1 tcp 9201 guards.0.port',
    'guard-2 tcp 9202 guards.1.port',
    'vault tcp 9210 vault.port',
    'sbc tcp 9220 sbc.port',
    'desk tcp 8080 desk.port',
    'guard-1 tcp 9311 guards.0.metricsPort',
    'guard-2 tcp 9312 guards.1.metricsPort',
    'sipd tcp 9301 metrics.ports.sipd',
    'sbc tcp 9302 metrics.ports.sbc',
    'vault tcp 9303 metrics.ports.vault',
    'desk tcp 9304 metrics.ports.desk',
  ])
  t.end()
})

t.test('what runs somewhere else holds no port here', (t) => {
  const elsewhere = listenAddresses({
    ...configuration,
    sip: { ...configuration.sip, server: 'drachtio' },
    rtpengines: configuration.rtpengines.map((rtpengine) => ({ ...rtpengine, start: null })),
  })
  t.same(
    elsewhere.filter(({ process }) => process === 'sipd' || process === 'media-1'),
    [],
  )
  t.end()
})

t.test('a wildcard takes the port on every address, and UDP and TCP do not meet', (t) => {
  const one: ListenAddress = { host: '127.0.0.1', port: 5060, transport: 'udp', process: 'sipd', path: [] }
  t.equal(collide(one, { ...one }), true)
  t.equal(collide(one, { ...one, host: '0.0.0.0' }), true)
  t.equal(collide(one, { ...one, host: '127.0.0.2' }), false)
  t.equal(collide(one, { ...one, transport: 'tcp' }), false)
  t.equal(collide(one, { ...one, port: 5061 }), false)
  t.end()
})
