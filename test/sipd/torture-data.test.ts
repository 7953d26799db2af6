import { createHash } from 'node:crypto'
import t from 'tap'
import { RFC4475_INVALID } from './data/rfc4475-invalid.ts'
import { RFC4475_SEMANTIC } from './data/rfc4475-semantic.ts'
import { RFC4475_VALID } from './data/rfc4475-valid.ts'
import { RFC5118 } from './data/rfc5118.ts'

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

t.test('the 49 messages of RFC 4475 are those of its archive, byte for byte', (t) => {
  const messages = [...RFC4475_VALID, ...RFC4475_INVALID, ...RFC4475_SEMANTIC]
  t.equal(messages.length, 49)
  for (const message of messages) t.equal(sha256(message.bytes), message.sha256, message.name)
  t.end()
})

t.test('the 12 messages of RFC 5118 are those of its archive, which ends its lines with LF alone', (t) => {
  t.equal(RFC5118.length, 12)
  for (const { name, bytes, sha256: expected } of RFC5118)
    t.equal(sha256(Buffer.from(bytes.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')), expected, name)
  t.end()
})
