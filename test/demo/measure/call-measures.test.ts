import t from 'tap'
import { AudioEncoder } from '../../../src/demo/audio/audio-encoder.ts'
import { decodeMuLaw, encodeALaw } from '../../../src/demo/audio/g711.ts'
import { seededRandom } from '../../../src/demo/audio/seeded-random.ts'
import { callDelays, lossRatio, lostAround, percentile } from '../../../src/demo/measure/call-measures.ts'
import { delaysByAlignment } from '../../../src/demo/measure/packet-delay.ts'
import type { LoggedPacket } from '../../../src/demo/phone/phone-protocol.ts'

const PACKETS = 400

/** Eight seconds of audio that never repeats, as sent. */
function sentAudio(): readonly LoggedPacket[] {
  const random = seededRandom(11)
  const encoder = new AudioEncoder()
  let low = 0
  return Array.from({ length: PACKETS }, (_, index) => {
    const audio = Int16Array.from({ length: 160 }, () => {
      low = 0.8 * low + (random() * 2 - 1) * 2_000
      return Math.round(low)
    })
    return {
      atUs: 5_000_000 + index * 20_000 + Math.round(random() * 300),
      payloadType: 0,
      ssrc: 7,
      sequence: index,
      timestamp: 1_000 + index * 160,
      marker: false,
      payload: encoder.encode(audio, 'PCMU'),
    }
  })
}

/** What a transcoder makes of it: PCMA, and header fields of its own. */
function transcoded(packet: LoggedPacket, index: number): LoggedPacket {
  return {
    ...packet,
    payloadType: 8,
    ssrc: 99,
    sequence: 40_000 + index,
    timestamp: 9_000_000 + index * 160,
    payload: encodeALaw(decodeMuLaw(packet.payload)),
  }
}

function late(packet: LoggedPacket, delayUs: number): LoggedPacket {
  return { ...packet, atUs: packet.atUs + delayUs }
}

const OPEN_US = 5_000_000 + 100 * 20_000
const CLOSE_US = 5_000_000 + 300 * 20_000

t.test('delays go by timestamp while the path keeps them, and by ear while a window is open', (t) => {
  const sent = sentAudio()
  const received = sent.map((packet, index) => late(packet, index >= 100 && index < 300 ? 45_000 : 1_500))
  const delays = callDelays({ sent, received }, [{ openUs: OPEN_US + 45_000, closeUs: CLOSE_US + 45_000 }])
  t.match(delays.clear, { p50: 1.5, by: 'timestamp' })
  t.equal(delays.window?.by, 'alignment')
  t.ok(Math.abs((delays.window?.p50 ?? 0) - 45) < 0.2)
  t.same(callDelays({ sent, received: [] }, []), { clear: undefined, window: undefined })
  t.end()
})

t.test('delays of a transcoded call are found by what is heard', (t) => {
  const sent = sentAudio()
  const received = sent.map((packet, index) => late(transcoded(packet, index), 12_000))
  const delays = callDelays({ sent, received }, [])
  t.equal(delays.clear?.by, 'alignment')
  t.equal(delays.clear?.packets, PACKETS)
  t.ok(Math.abs((delays.clear?.p50 ?? 0) - 12) < 0.2)
  t.end()
})

t.test('a masker that delays audio but not its headers is found out', (t) => {
  const sent = sentAudio()
  const received = sent
    .slice(2)
    .map((packet, index) => ({ ...packet, payload: sent[index]?.payload ?? packet.payload }))
  const delays = delaysByAlignment(sent, received).map(({ delayMs }) => delayMs)
  t.ok(Math.abs((percentile(delays, 0.5) ?? 0) - 40) < 0.2)
  t.end()
})

t.test('other audio, silence and nothing at all are not aligned with anything', (t) => {
  const sent = sentAudio()
  const silent = sent.map((packet) => ({ ...packet, payload: new Uint8Array(160).fill(0xff) }))
  t.same(delaysByAlignment(sent, silent), [])
  t.same(delaysByAlignment(sent, []), [])
  t.same(delaysByAlignment([], sent), [])
  t.end()
})

t.test('lost packets are counted near a switch only, and masked events are none', (t) => {
  const sent = sentAudio()
  const event: LoggedPacket = {
    ...(sent[100] as LoggedPacket),
    payloadType: 101,
    payload: Uint8Array.of(1, 10, 0, 160),
  }
  const received = sent
    .filter((_, index) => index !== 101 && index !== 99 && index !== 350)
    .map((packet) => late(packet, 900))
  const call = { sent: [...sent, event], received }
  t.equal(lostAround(call, OPEN_US), 2)
  t.equal(lostAround(call, CLOSE_US), 0)
  t.equal(lossRatio(call), 3 / PACKETS)
  t.end()
})

t.test('lost packets of a transcoded call are counted on the time line, across a change of delay', (t) => {
  const sent = sentAudio()
  const kept = sent.filter((_, index) => index !== 101 && index !== 102)
  const received = kept.map((packet) => late(packet, packet.atUs < OPEN_US ? 1_000 : 31_000)).map(transcoded)
  t.equal(lostAround({ sent, received }, OPEN_US), 2)
  t.equal(lostAround({ sent, received }, CLOSE_US), 0)
  t.end()
})

t.test('a transcoded call that lost nothing lost nothing at a switch either, however its delay moves', (t) => {
  const sent = sentAudio()
  const silent = sent.map((packet) => ({ ...packet, payload: new Uint8Array(packet.payload.length).fill(0xff) }))
  const received = silent.map((packet, index) => late(packet, index * 900)).map(transcoded)
  t.equal(lostAround({ sent: silent, received }, OPEN_US), 0)
  t.equal(lostAround({ sent: silent, received: received.slice(0, -1) }, CLOSE_US), 1, 'nor more than the call lost')
  t.end()
})

t.test('percentiles need no order and may have nothing to say', (t) => {
  t.equal(percentile([3, 1, 2], 0.5), 2)
  t.equal(percentile([3, 1, 2], 1), 3)
  t.equal(percentile([], 0.5), undefined)
  t.end()
})
