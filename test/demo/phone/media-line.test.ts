import t from 'tap'
import { MediaLine } from '../../../src/demo/phone/media-line.ts'
import { MediaPort } from '../../../src/demo/phone/media-port.ts'
import { PacketLog } from '../../../src/demo/phone/packet-log.ts'

t.test('a line keeps its clock while it is not sending, and starts again with a marker', async (t) => {
  const port = await MediaPort.open('127.0.0.2', { rtp: () => undefined, rtcp: () => undefined })
  if (port === undefined) throw new Error('no port')
  const log = new PacketLog()
  const infos: string[] = []
  const line = new MediaLine({ speech: new Int16Array(0), log, onInfoKey: (key, onMs) => infos.push(`${key} ${onMs}`) })
  t.teardown(() => {
    line.close()
    line.close()
    port.close()
  })
  t.same(await line.press({ keys: '1', transport: 'info' }), { kind: 'no_call' })
  const to = { port, host: '127.0.0.2', remotePort: port.port, codec: 'PCMU', eventPayloadType: 101 } as const
  line.direct(to)
  await line.press({ keys: '1', transport: 'info', onMs: 60 })
  line.direct(undefined)
  await line.press({ keys: '2', transport: 'info', onMs: 100 })
  line.direct(to)
  await line.press({ keys: '3', transport: 'events', onMs: 60, offMs: 0 })
  t.same(infos, ['1 60', '2 100'])
  const { sent, keys } = log.report('x')
  const audio = sent.filter(({ payloadType }) => payloadType === 0)
  const marked = audio.filter(({ marker }) => marker)
  t.equal(marked.length >= 1 && marked[0] === audio[0], true, 'the first packet is marked')
  t.equal(new Set(sent.map(({ ssrc }) => ssrc)).size, 1)
  const [first, second, third] = keys
  t.ok((second?.atUs ?? 0) - (first?.atUs ?? 0) >= 60_000)
  t.ok((third?.atUs ?? 0) - (second?.atUs ?? 0) >= 100_000)
  const events = sent.filter(({ payloadType }) => payloadType === 101)
  t.equal(events.length, 5, 'two updates and three ends')
  const gap = ((events[0]?.timestamp ?? 0) - (audio[0]?.timestamp ?? 0)) / 8
  t.ok(Math.abs(gap - ((third?.atUs ?? 0) - (audio[0]?.atUs ?? 0)) / 1_000) < 20, 'timestamps ran on')
})

t.test('keys by INFO are told, each once and in order, also over a standstill of the telephone', async (t) => {
  const port = await MediaPort.open('127.0.0.2', { rtp: () => undefined, rtcp: () => undefined })
  if (port === undefined) throw new Error('no port')
  const told: string[] = []
  const line = new MediaLine({
    speech: new Int16Array(0),
    log: new PacketLog(),
    onInfoKey: (key) => told.push(key),
  })
  t.teardown(() => {
    line.close()
    port.close()
  })
  line.direct({ port, host: '127.0.0.2', remotePort: port.port, codec: 'PCMU', eventPayloadType: undefined })
  const pressed = line.press({ keys: '123456', transport: 'info', onMs: 60, offMs: 60 })
  const untilMs = performance.now() + STANDSTILL_MS
  while (performance.now() < untilMs);
  await pressed
  t.same(told, ['1', '2', '3', '4', '5', '6'])
})

/** Longer than packets are caught up for, and than three keys take. */
const STANDSTILL_MS = 400
