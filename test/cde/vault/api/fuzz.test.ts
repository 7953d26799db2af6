import { Agent, request as ask } from 'node:https'
import t from 'tap'
import { verifyAudit } from '../../../../src/cde/vault/audit-chain.ts'
import { auditRecords } from '../../../../src/cde/vault/audit-tail.ts'
import { ROUTES } from '../../../../src/cde/vault/api/routes.ts'
import { seededRandom } from '../../../fakes/seeded-random.ts'
import { testCard } from '../../../fakes/test-card.ts'
import { newKey, tokenOf } from '../open-test-vault.ts'
import { authority, certificateOf, openApi, type ClientName } from './api-site.ts'

const REQUESTS = 1_500
const SEED = 20_261_122
const CANARY_PAN = '4263982640269299'

/** What attackers and broken programs write into fields. */
const ODD: readonly unknown[] = [
  "'; DROP TABLE cards; --",
  "' OR '1'='1",
  '"); DELETE FROM audit; --',
  '$(id)',
  '{{7*7}}',
  '../../etc/passwd',
  '%00',
  'a\r\nx-injected: 1',
  '\u0000',
  '\ud800',
  'x'.repeat(5_000),
  '4111111111111111',
  'tok_abcdefghijklmnopqrst0_1111',
  '__proto__',
  'constructor',
  '',
  0,
  -1,
  1e308,
  0.1,
  null,
  true,
  [],
  {},
  [[[[[[]]]]]],
  { __proto__: { token: 'x' } },
  { toString: 1 },
]
const CLIENTS: readonly ClientName[] = ['billing', 'ann', 'eve', 'bob']

t.test('no request makes the API fail, tell a card to whom it must not, or break the record', async (t) => {
  const site = await openApi(t)
  const token = tokenOf(await site.vault.tokenize(testCard()))
  const secret = tokenOf(await site.vault.tokenize(testCard({ pan: CANARY_PAN }), { merchant: 'other' }))
  const { below } = seededRandom(SEED)
  const pick = <Value>(values: readonly Value[]): Value => values[below(values.length)] as Value
  const agents = new Map(
    CLIENTS.map((name) => {
      const { certificate, key } = certificateOf(name)
      const proof = { cert: certificate, key, ca: authority.certificate, servername: 'vault.tonewall.internal' }
      return [name, new Agent({ keepAlive: true, maxSockets: 2, ...proof })]
    }),
  )
  const value = (): unknown => pick([token, secret, 'refund by letter', 1250, 'EUR', pick(ODD), pick(ODD)])
  const body = (): string => {
    const fields = ['token', 'tokens', 'purpose', 'amountMinor', 'currency', '__proto__', 'merchant', 'extra']
    const good = pick([
      { token, amountMinor: 1, currency: 'EUR' },
      { token, purpose: 'refund' },
      { tokens: [token, secret], purpose: 'move' },
    ])
    if (below(4) === 0) return JSON.stringify(good)
    const made = Object.fromEntries(Array.from({ length: below(6) }, () => [pick(fields), value()]))
    const text = JSON.stringify(below(10) === 0 ? value() : made)
    return below(8) === 0 ? text.slice(0, below(text.length + 1)) : text
  }
  const odd = (): string => encodeURIComponent(JSON.stringify(pick(ODD)).toWellFormed())
  const path = (template: string): string => {
    const filled = template
      .replace(':merchant', () => pick(['shop', 'shop', 'shop', 'shop', 'other', 'nobody', odd().slice(0, 200)]))
      .replace(':token', () => pick([token, secret, odd().slice(0, 200)]))
      .replace(':bulkId', () => pick(['a'.repeat(26), odd().slice(0, 200)]))
    return below(12) === 0 ? `${filled}?${odd().slice(0, 100)}` : filled
  }
  const statuses = new Map<number, number>()
  const send = (name: ClientName): Promise<void> =>
    new Promise((resolve) => {
      const text = body()
      const headers = {
        'content-type': pick(['application/json', 'application/json', 'application/json', 'text/plain']),
        'content-length': String(Buffer.byteLength(text)),
        ...(below(4) === 0
          ? {}
          : { 'idempotency-key': pick([newKey(), newKey(), 'short', 'x'.repeat(300), 'a;b="c"']) }),
      }
      const route = pick(ROUTES)
      const method = below(6) === 0 ? pick(['GET', 'POST', 'DELETE', 'PUT', 'OPTIONS']) : route.method
      const agent = agents.get(name)
      const settings = {
        host: '127.0.0.1',
        port: site.port,
        path: path(route.path),
        method,
        headers,
        ...(agent === undefined ? {} : { agent }),
      }
      const outgoing = ask(settings, (incoming) => {
        let answer = ''
        incoming.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
        incoming.on('end', () => {
          const status = incoming.statusCode ?? 0
          statuses.set(status, (statuses.get(status) ?? 0) + 1)
          if (answer.includes(CANARY_PAN)) t.fail('a card of another merchant was told')
          if (/"number":"\d/.test(answer) && name !== 'ann' && name !== 'eve')
            t.fail('a number was told to no detokenizer')
          if (status === 500 || incoming.headers['x-injected'] !== undefined)
            t.fail(`${status} ${method} ${settings.path} ${text}`)
          resolve()
        })
      })
      outgoing.on('error', () => resolve())
      outgoing.end(text)
    })
  for (let sent = 0; sent < REQUESTS; sent += CLIENTS.length) await Promise.all(CLIENTS.map(send))
  for (const agent of agents.values()) agent.destroy()
  t.ok([...statuses.keys()].length > 5, `of many kinds: ${JSON.stringify(Object.fromEntries(statuses))}`)
  t.match(await site.as('billing', '/v1/health'), { status: 200 })
  t.match(await verifyAudit(auditRecords(site.vault.store)), { kind: 'intact' })
  t.match(await site.vault.store.card({ merchant: 'other', token: secret }), { state: 'live' })
  const records = JSON.stringify(await site.vault.store.auditAfter(0, 20_000))
  t.notMatch(records, /4111111111111111|DROP TABLE|etc\/passwd/)
})
