import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { request } from 'node:https'
import { join } from 'node:path'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { createDeskMetrics } from '../../src/desk/desk-metrics.ts'
import { createHttpServer } from '../../src/desk/http-server.ts'
import { ProblemError } from '../../src/desk/problem.ts'
import { roleName } from '../../src/kit/identity.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { makeDeskBench } from './fake-sbc.ts'

const bench = makeDeskBench()
const lines: string[] = []
const logger = createLogger({ role: 'desk', level: 'info', stream: { write: (line) => lines.push(line) } })
t.teardown(() => bench.remove())

t.test('with a certificate it speaks TLS, and tells browsers to keep to it', async (t) => {
  const certificate = join(bench.certificates, 'desk.crt')
  const tls = { certificate, key: join(bench.certificates, 'desk.key') }
  const server = await createHttpServer({ tls, logger, metrics: createDeskMetrics(new Metrics('desk')) })
  await server.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const asked = request({
    host: '127.0.0.1',
    port: (server.server.address() as AddressInfo).port,
    path: '/api/v1/openapi.json',
    ca: readFileSync(join(bench.certificates, 'ca.crt')),
    servername: roleName('desk'),
  }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.resume()
  t.equal(answer.statusCode, 200)
  t.match(answer.headers, { 'strict-transport-security': /max-age=31536000/, 'x-content-type-options': 'nosniff' })
})

t.test('an unexpected error answers 500 without its message, which is not logged either', async (t) => {
  const server = await createHttpServer({ tls: null, logger, metrics: createDeskMetrics(new Metrics('desk')) })
  t.teardown(() => server.close())
  server.get('/broken', () => {
    throw new TypeError('4111111111111111 is not a call')
  })
  server.get('/waiting', () => {
    throw new ProblemError('too_many_logins', { retryAfterS: 7 })
  })
  const broken = await server.inject('/broken')
  t.match(broken.json(), { status: 500, code: 'internal' })
  t.notMatch(broken.body, '4111')
  t.match(lines.join(''), 'TypeError')
  t.notMatch(lines.join(''), '4111')
  const waiting = await server.inject('/waiting')
  t.equal(waiting.headers['retry-after'], '7')
  t.equal(waiting.headers['strict-transport-security'], undefined, 'plain HTTP must not promise TLS')
})
