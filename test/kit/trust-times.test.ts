import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { Metrics } from '../../src/kit/metrics.ts'
import { RevocationList } from '../../src/kit/revocation.ts'
import { TrustTimes } from '../../src/kit/trust-times.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'

const DAY_MS = 86_400_000
const authority = new SipAuthority()

/** The values of a metric by its own label. */
async function valuesOf(metrics: Metrics, name: string): Promise<Readonly<Record<string, number>>> {
  const [metric] = (await metrics.registry.getMetricsAsJSON()).filter((one) => one.name === name)
  return Object.fromEntries(
    (metric?.values ?? []).map(({ labels, value }) => [String(labels['certificate'] ?? labels['list']), value]),
  )
}

t.test('a certificate in use tells when it ends; of a chain, the one that ends first does', async (t) => {
  const metrics = new Metrics('sipd')
  const trust = new TrustTimes(metrics)
  const short = authority.leaf({ dns: ['a.example'], endsInMs: 5 * DAY_MS }).certificate
  trust.certificate('sip', Buffer.concat([authority.certificate, short]))
  trust.certificate('authority', authority.certificate)
  trust.certificate('desk', Buffer.from('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'))
  trust.certificate('process', Buffer.alloc(0))
  const seconds = (pem: Buffer): number => Date.parse(new X509Certificate(pem).validTo) / 1_000
  const name = 'tonewall_certificate_end_timestamp_seconds'
  t.same(await valuesOf(metrics, name), { sip: seconds(short), authority: seconds(authority.certificate) })
  trust.certificate('sip', authority.certificate)
  t.match(await valuesOf(metrics, name), { sip: seconds(authority.certificate) }, 'a new one takes its place')
})

t.test('a list in use tells when it is over, and follows its file', async (t) => {
  const metrics = new Metrics('sipd')
  const file = join(t.testdir(), 'revoked.pem')
  writeFileSync(file, authority.revocations([], { endsInMs: DAY_MS }))
  const list = new RevocationList(file)
  const trust = new TrustTimes(metrics)
  trust.revocations('sip', list)
  const over = async (): Promise<number> =>
    (await valuesOf(metrics, 'tonewall_revocations_end_timestamp_seconds'))['sip'] ?? 0
  t.ok(Math.abs((await over()) - (Date.now() + DAY_MS) / 1_000) < 60)
  writeFileSync(file, authority.revocations([authority.leaf({})], { endsInMs: 3 * DAY_MS }))
  list.look()
  t.ok(Math.abs((await over()) - (Date.now() + 3 * DAY_MS) / 1_000) < 60)
})
