import t from 'tap'
import { encodeHep, type HepMessage } from '../../src/sipd/hep.ts'

const MESSAGE: HepMessage = {
  transport: 'udp',
  source: { host: '192.0.2.1', port: 5060 },
  destination: { host: '198.51.100.7', port: 5080 },
  atMs: 1_795_335_000_123.5,
  captureId: 2001,
  correlationId: 'c1@x',
  text: 'OPTIONS sip:a SIP/2.0\r\n\r\n',
}

/** The chunks of vendor 0 by their type, read as the registry says. */
function chunksOf(bytes: Buffer): ReadonlyMap<number, Buffer> {
  t.equal(bytes.subarray(0, 4).toString(), 'HEP3')
  t.equal(bytes.readUInt16BE(4), bytes.length)
  const chunks = new Map<number, Buffer>()
  let at = 6
  while (at < bytes.length) {
    t.equal(bytes.readUInt16BE(at), 0, 'the generic vendor')
    const length = bytes.readUInt16BE(at + 4)
    t.ok(length >= 6 && at + length <= bytes.length)
    chunks.set(bytes.readUInt16BE(at + 2), bytes.subarray(at + 6, at + length))
    at += length
  }
  t.equal(at, bytes.length)
  return chunks
}

t.test('a message over IPv4 and UDP has each chunk that Homer reads', (t) => {
  const chunks = chunksOf(encodeHep(MESSAGE) ?? Buffer.alloc(0))
  const hex = (type: number): string | undefined => chunks.get(type)?.toString('hex')
  t.equal(hex(1), '02')
  t.equal(hex(2), '11')
  t.equal(hex(3), 'c0000201')
  t.equal(hex(4), 'c6336407')
  t.equal(chunks.get(7)?.readUInt16BE(), 5060)
  t.equal(chunks.get(8)?.readUInt16BE(), 5080)
  t.equal(chunks.get(9)?.readUInt32BE(), 1_795_335_000)
  t.equal(chunks.get(10)?.readUInt32BE(), 123_500)
  t.equal(hex(11), '01')
  t.equal(chunks.get(12)?.readUInt32BE(), 2001)
  t.equal(chunks.get(15)?.toString('latin1'), MESSAGE.text)
  t.equal(chunks.get(17)?.toString(), 'c1@x')
  t.end()
})

t.test('TCP, TLS and IPv6 are told', (t) => {
  for (const transport of ['tcp', 'tls'] as const) {
    const chunks = chunksOf(
      encodeHep({
        ...MESSAGE,
        transport,
        source: { host: '2001:db8::10', port: 1 },
        destination: { host: '::ffff:192.0.2.1', port: 2 },
      }) ?? Buffer.alloc(0),
    )
    t.equal(chunks.get(1)?.toString('hex'), '0a')
    t.equal(chunks.get(2)?.toString('hex'), '06')
    t.equal(chunks.get(5)?.toString('hex'), '20010db8000000000000000000000010')
    t.equal(chunks.get(6)?.toString('hex'), '00000000000000000000ffffc0000201')
  }
  for (const [host, hex] of [
    ['::', '00'.repeat(16)],
    ['::1', `${'00'.repeat(15)}01`],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['fe80::1%lo', 'fe800000000000000000000000000001'],
  ] as const) {
    const address = { host, port: 1 }
    const chunks = chunksOf(encodeHep({ ...MESSAGE, source: address, destination: address }) ?? Buffer.alloc(0))
    t.equal(chunks.get(5)?.toString('hex'), hex, host)
  }
  t.end()
})

t.test('what no datagram can carry is not made', (t) => {
  t.equal(encodeHep({ ...MESSAGE, source: { host: 'sip.example.com', port: 1 } }), null)
  t.equal(encodeHep({ ...MESSAGE, source: { host: '::1', port: 1 } }), null, 'two families')
  t.equal(encodeHep({ ...MESSAGE, text: 'x'.repeat(65_500) }), null)
  t.end()
})
