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
