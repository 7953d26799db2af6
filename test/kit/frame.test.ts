import t from 'tap'
import { encodeFrame, FRAME_BYTES_MAX, FrameReader, type Frame } from '../../src/kit/frame.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

const plain = (frames: readonly Frame[] | 'malformed'): readonly unknown[] =>
  frames === 'malformed' ? ['malformed'] : frames.map(({ header, body }) => [header, body.toString('latin1')])

t.test('a frame is read as it was written, with and without a body', (t) => {
  const stream = Buffer.concat([
    encodeFrame({ m: 1 }),
    encodeFrame({ m: 'zwei' }, Buffer.from('body')),
    encodeFrame(null),
  ])
  t.same(plain(new FrameReader().push(stream)), [
    [{ m: 1 }, ''],
    [{ m: 'zwei' }, 'body'],
    [null, ''],
  ])
  t.end()
})

t.test('it may be cut anywhere', (t) => {
  const stream = Buffer.concat([encodeFrame({ m: 1 }, Buffer.from('abc')), encodeFrame({ m: 2 })])
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const reader = new FrameReader()
    const frames = [stream.subarray(0, cut), stream.subarray(cut)].flatMap((part) =>
      plain(reader.push(Buffer.from(part))),
    )
    t.same(
      frames,
      [
        [{ m: 1 }, 'abc'],
        [{ m: 2 }, ''],
      ],
      `cut at ${cut}`,
    )
  }
  t.end()
})

t.test('what was taken in is overwritten', (t) => {
  const chunk = encodeFrame({ m: 1 }, Buffer.from('secret'))
  new FrameReader().push(chunk)
  t.ok(chunk.every((byte) => byte === 0))
  const malformed = Buffer.from('ffffffff41414141', 'hex')
  t.equal(new FrameReader().push(malformed), 'malformed')
  t.ok(malformed.every((byte) => byte === 0))
  t.end()
})

t.test('a body is a copy that belongs to the receiver', (t) => {
  const frames = new FrameReader().push(encodeFrame({}, Buffer.from('secret')))
  t.equal(frames === 'malformed' ? '' : frames[0]?.body.toString(), 'secret')
  t.end()
})

t.test('an unfinished frame is dropped by wipe', (t) => {
  const reader = new FrameReader()
  reader.push(encodeFrame({ m: 1 }).subarray(0, 7))
  reader.wipe()
  t.same(plain(reader.push(encodeFrame({ m: 2 }))), [[{ m: 2 }, '']])
  t.end()
})

t.test('lengths that cannot be are refused', (t) => {
  const lengths = (length: number, header: number): Buffer => {
    const frame = Buffer.alloc(12)
    frame.writeUInt32BE(length, 0)
    frame.writeUInt32BE(header, 4)
    return frame
  }
  t.equal(new FrameReader().push(lengths(0, 0)), 'malformed', 'shorter than its own header length')
  t.equal(new FrameReader().push(lengths(3, 0)), 'malformed')
  t.equal(new FrameReader().push(lengths(FRAME_BYTES_MAX + 1, 4)), 'malformed', 'too long')
  t.equal(new FrameReader().push(lengths(8, 5)), 'malformed', 'a header longer than the frame')
  t.equal(new FrameReader().push(lengths(8, 0xffffffff)), 'malformed')
  t.equal(new FrameReader().push(lengths(8, 4)), 'malformed', 'a header that is no JSON')
  t.end()
})

t.test('chance makes it malformed or gives frames, and never throws', (t) => {
  const chance = seededRandom(8)
  for (let round = 0; round < 2_000; round += 1) {
    const good = encodeFrame({ m: round }, Buffer.from('x'.repeat(chance.below(20))))
    for (let damage = chance.below(4); damage > 0; damage -= 1) good[chance.below(good.length)] = chance.below(256)
    const reader = new FrameReader()
    const cut = chance.below(good.length)
    for (const part of [good.subarray(0, cut), good.subarray(cut)]) {
      const frames = reader.push(Buffer.from(part))
      if (frames === 'malformed') break
      for (const { body } of frames) if (body.length > FRAME_BYTES_MAX) t.fail('a body beyond the limit')
    }
  }
  t.end()
})
