import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { TlsRefusalLog } from '../../src/sipd/tls-refusal-log.ts'
import { FakeClock } from './fake-clock.ts'

t.test('a refusal says who and why, and a scanner cannot fill the log', (t) => {
  const lines: string[] = []
  const clock = new FakeClock()
  const log = new TlsRefusalLog(
    createLogger({ role: 'sipd', level: 'info', stream: { write: (line) => void lines.push(line) } }),
    clock,
  )
  const remote = { host: '192.0.2.1', port: 5061 }
  log.write({ direction: 'outbound', code: 'CERT_HAS_EXPIRED', remote })
  t.match(JSON.parse(lines[0] ?? '{}'), {
    transport: 'tls',
    code: 'CERT_HAS_EXPIRED',
    address: '192.0.2.1',
    port: 5061,
    msg: 'a TLS peer could not be used',
  })
  for (let index = 0; index < 100; index += 1) log.write({ direction: 'inbound', code: 'ECONNRESET', remote })
  t.equal(lines.length, 30)
  clock.advance(60_000)
  log.write({ direction: 'inbound', code: 'ECONNRESET', remote })
  t.equal(lines.length, 31)
  t.end()
})
