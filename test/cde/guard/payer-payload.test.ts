import t from 'tap'
import { readPayload } from '../../../src/cde/guard/payer-payload.ts'

function read(payloadType: number, bytes: readonly number[]) {
  return readPayload({ marker: false, payloadType, sequence: 0, timestamp: 0, ssrc: 0, payload: Buffer.from(bytes) })
}

t.test('only G.711 is audio', (t) => {
  t.match(read(0, [1, 2, 3, 4]), { kind: 'audio', law: 'ulaw' })
  t.match(read(8, [1, 2]), { kind: 'audio', law: 'alaw' })
  t.match(read(3, [1, 2, 3]), { kind: 'other' })
  t.match(read(0, []), { kind: 'other' })
  t.end()
})

t.test('an event is told by its shape on any payload type', (t) => {
  for (const payloadType of [5, 72, 96, 101, 127]) {
    t.same(read(payloadType, [9, 0x0a, 1, 64]), { kind: 'event', duration: 320, lead: 0, end: false })
  }
  t.same(read(101, [9, 0x8a, 0, 160, 3, 0x8a, 0, 80]), { kind: 'event', duration: 240, lead: 0, end: true })
  t.end()
})

t.test('frames of other codecs and comfort noise are not taken for events', (t) => {
  t.match(
    read(
      18,
      Array.from({ length: 20 }, () => 1),
    ),
    { kind: 'other' },
  )
  t.match(read(13, [60, 1, 2, 3]), { kind: 'other' })
  t.match(
    read(
      101,
      Array.from({ length: 33 }, () => 1),
    ),
    { kind: 'other' },
  )
  t.end()
})

t.test('events in RED lead by the oldest block, and the primary says whether the key is down', (t) => {
  const older = [5, 0x8a, 0, 160]
  const primary = [6, 0x0a, 0, 80]
  // Offset 320, length 4.
  t.same(read(99, [0x80 | 101, 0x05, 0x00, 0x04, 101, ...older, ...primary]), {
    kind: 'event',
    duration: 80,
    lead: 320,
    end: false,
  })
  t.end()
})
