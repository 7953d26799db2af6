import t from 'tap'
import { AgentRelay } from '../../../src/cde/guard/agent-relay.ts'
import { buildRtp, parseRtp, type RtpPacket } from '../../../src/cde/guard/rtp-packet.ts'

const OWN = { ssrc: 0xabcdef, sequence: 65_534, timestamp: 0xffff_ff00 }

function relayed(relay: AgentRelay, header: Partial<RtpPacket>, nowMs: number): RtpPacket | null {
  const packet = {
    marker: false,
    payloadType: 0,
    sequence: 1,
    timestamp: 0,
    ssrc: 5,
    payload: Buffer.from('hello'),
    ...header,
  }
  const out = relay.relay(packet, buildRtp(packet), nowMs)
  if (out === null) return null
  const parsed = parseRtp(out)
  return parsed.kind === 'rtp' ? parsed.packet : null
}

t.test('where no leg is transcoded the datagram passes as it is', (t) => {
  const datagram = buildRtp({
    marker: true,
    payloadType: 8,
    sequence: 7,
    timestamp: 9,
    ssrc: 1,
    payload: Buffer.from('x'),
  })
  const parsed = parseRtp(datagram)
  if (parsed.kind === 'rtp')
    t.equal(new AgentRelay({ headers: 'same', own: OWN }).relay(parsed.packet, datagram, 0), datagram)
  t.end()
})

t.test('with own headers the stream starts at the window’s numbers and goes on like the agent’s', (t) => {
  const relay = new AgentRelay({ headers: 'own', own: OWN })
  t.match(relayed(relay, { sequence: 100, timestamp: 5_000 }, 0), { ...OWN, payload: Buffer.from('hello') })
  t.match(relayed(relay, { sequence: 102, timestamp: 5_320 }, 40), { sequence: 0, timestamp: 0x40 })
  t.match(relayed(relay, { sequence: 101, timestamp: 5_160 }, 41), { sequence: 65_535, timestamp: 0xffff_ffa0 })
  t.equal(relayed(relay, { sequence: 101, timestamp: 5_160 }, 42), null, 'a duplicate is not sent again')
  t.end()
})

t.test('a new source goes on in the same stream, its time by the clock', (t) => {
  const relay = new AgentRelay({ headers: 'own', own: OWN })
  relayed(relay, { sequence: 100, timestamp: 5_000 }, 0)
  const next = relayed(relay, { ssrc: 6, sequence: 9, timestamp: 77 }, 100)
  t.match(next, { ssrc: OWN.ssrc, sequence: 65_535, timestamp: (OWN.timestamp + 800) >>> 0 })
  t.match(relayed(relay, { ssrc: 6, sequence: 10, timestamp: 237 }, 120), {
    sequence: 0,
    timestamp: (OWN.timestamp + 960) >>> 0,
  })
  t.end()
})
