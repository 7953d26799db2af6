import t from 'tap'
import { encodeMuLaw } from '../../../src/demo/audio/g711.ts'
import { parseWav } from '../../../src/demo/audio/wav.ts'
import { audioPieces, recordSide, recordingWav } from '../../../src/demo/judge/recording.ts'
import type { LoggedPacket } from '../../../src/demo/phone/phone-protocol.ts'

function audio(index: number, change: Partial<LoggedPacket> = {}): LoggedPacket {
  return {
    atUs: 1_000_000 + index * 20_000,
    payloadType: 0,
    ssrc: 1,
    sequence: (65_534 + index) & 0xffff,
    timestamp: (0xffffff00 + index * 160) >>> 0,
    marker: false,
    payload: encodeMuLaw(new Int16Array(160).fill(1_000 * (index + 1))),
    ...change,
  }
}

t.test('packets are placed by timestamp, in order of sequence, each once', (t) => {
  const packets = [audio(0), audio(2, { atUs: 1_039_000 }), audio(1, { atUs: 1_041_000 }), audio(1), audio(3)]
  const { startUs, samples } = recordSide({ packets, infos: [] })
  t.equal(startUs, 1_000_000)
  t.ok(samples.length >= 632 && samples.length <= 640)
  const heard = [100, 250, 400, 550].map((at) => Math.round((samples[at] ?? 0) / 1_000))
  t.same(heard, [1, 2, 3, 4])
  t.end()
})

t.test('a jump of the clock or another SSRC starts a new run by arrival', (t) => {
  const packets = [audio(0), audio(1, { timestamp: 770_000 }), audio(2, { ssrc: 2, timestamp: 5, sequence: 9 })]
  t.same(
    audioPieces(packets).map(({ atUs }) => atUs),
    [1_000_000, 1_020_000, 1_040_000],
  )
  t.end()
})

t.test('a lost packet leaves a gap of silence', (t) => {
  const { samples } = recordSide({ packets: [audio(0), audio(2)], infos: [] })
  t.ok(samples.subarray(160, 320).every((sample) => sample === 0))
  t.end()
})

t.test('events and INFO become tones at their time', (t) => {
  const event = audio(1, { payloadType: 96, payload: Uint8Array.of(5, 0x8a, 0, 160) })
  const infos = [{ atUs: 1_200_000, contentType: 'application/dtmf-relay', body: 'Signal=5\r\nDuration=60' }]
  const { samples } = recordSide({ packets: [audio(0), event], infos })
  const loud = (from: number, to: number) => samples.subarray(from, to).some((sample) => Math.abs(sample) > 5_000)
  t.ok(loud(160, 480), 'at least 40 ms of tone for the event')
  t.notOk(loud(480, 1_600))
  t.ok(loud(1_600, 2_080))
  t.equal(parseWav(recordingWav({ startUs: 0, samples }))?.samples.length, samples.length)
  t.end()
})

t.test('nothing recorded is an empty recording', (t) => {
  t.equal(recordSide({ packets: [], infos: [] }).samples.length, 0)
  t.end()
})
