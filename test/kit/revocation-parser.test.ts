import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { plainSerial } from '../../src/kit/revocation.ts'
import { parseRevocations } from '../../src/kit/revocation-parser.ts'
import { seededRandom } from '../fakes/seeded-random.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'

const authority = new SipAuthority()
const leaves = [authority.leaf({ dns: ['a.invalid'] }), authority.leaf({ dns: ['b.invalid'] })]
const pem = authority.revocations(leaves)

t.test('the serial numbers are those of the certificates', (t) => {
  const serials = leaves.map(({ certificate }) => plainSerial(new X509Certificate(certificate).serialNumber))
  t.same([...(parseRevocations(pem)?.serials ?? [])], serials)
  t.equal(parseRevocations(authority.revocations([]))?.serials.size, 0)
  t.end()
})

t.test('several lists in one file count together', (t) => {
  const [one, other] = leaves.map((leaf) => authority.revocations([leaf]))
  t.equal(parseRevocations(Buffer.concat([one ?? pem, other ?? pem]))?.serials.size, 2)
  t.end()
})

/** A list of nothing, with these times: tag 0x17 is UTCTime, 0x18 GeneralizedTime (RFC 5280 section 5.1.2.4). */
function listWith(...times: readonly (readonly [tag: number, text: string])[]): Buffer {
  const element = (tag: number, content: Buffer) => Buffer.concat([Buffer.from([tag, content.length]), content])
  const empty = element(0x30, Buffer.alloc(0))
  const fields = times.map(([tag, text]) => element(tag, Buffer.from(text)))
  const der = element(0x30, element(0x30, Buffer.concat([empty, empty, ...fields])))
  return Buffer.from(`-----BEGIN X509 CRL-----\n${der.toString('base64')}\n-----END X509 CRL-----\n`)
}

t.test('when a list is over is read in both forms of time, and the first of several counts', (t) => {
  const over = (list: Buffer): number | null | undefined => parseRevocations(list)?.nextUpdateMs
  const utc = listWith([0x17, '260101000000Z'], [0x17, '261122160001Z'])
  t.equal(over(utc), Date.UTC(2026, 10, 22, 16, 0, 1))
  t.equal(over(listWith([0x17, '990101000000Z'], [0x17, '991231235959Z'])), Date.UTC(1999, 11, 31, 23, 59, 59))
  const general = listWith([0x17, '260101000000Z'], [0x18, '20510203040506Z'])
  t.equal(over(general), Date.UTC(2051, 1, 3, 4, 5, 6))
  t.equal(over(Buffer.concat([general, utc])), over(utc))
  t.equal(over(listWith([0x17, '260101000000Z'])), null, 'it need not say')
  t.equal(over(listWith([0x17, '260101000000Z'], [0x17, '261322160001Z'])), undefined, 'there is no such month')
  t.equal(over(listWith([0x17, '260101000000Z'], [0x17, 'nonsense'])), undefined)
  t.ok(Math.abs((over(pem) ?? 0) - Date.now() - 86_400_000) < 60_000)
  t.end()
})

t.test('what is no list is null, and no byte that is changed or cut makes it throw', (t) => {
  for (const text of ['', 'nonsense', '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----']) {
    t.equal(parseRevocations(Buffer.from(text)), null)
  }
  const { below } = seededRandom(11)
  const der = Buffer.from(pem.toString().replaceAll(/-----[^-]+-----/g, ''), 'base64')
  const wrapped = (bytes: Buffer): Buffer =>
    Buffer.from(`-----BEGIN X509 CRL-----\n${bytes.toString('base64')}\n-----END X509 CRL-----`)
  for (let round = 0; round < 3_000; round += 1) {
    const changed = Buffer.from(der.subarray(0, round % 3 === 0 ? below(der.length) : der.length))
    if (changed.length > 0) changed[below(changed.length)] = below(256)
    const found = parseRevocations(wrapped(changed))
    if (found !== null && found.serials.size > 40) t.fail('more than the bytes can hold')
  }
  t.pass('3,000 changed lists were read or refused')
  t.end()
})
