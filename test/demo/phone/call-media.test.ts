import t from 'tap'
import { CallMedia } from '../../../src/demo/phone/call-media.ts'
import { PacketLog } from '../../../src/demo/phone/packet-log.ts'
import { formatSdp, parseSdp } from '../../../src/demo/phone/sdp-text.ts'

const ORIGIN = { user: 'x', session: 1, version: 1 }
const THEIRS = {
  address: '127.0.0.1',
  port: 9,
  codecs: ['PCMA', 'PCMU'],
  eventPayloadType: 96,
  direction: 'sendonly',
} as const

async function media(eventPayloadType?: number | null): Promise<CallMedia> {
  const opened = await CallMedia.open({
    options: { name: 'x', address: '127.0.0.2', ...(eventPayloadType === undefined ? {} : { eventPayloadType }) },
    log: new PacketLog(),
    speech: new Int16Array(0),
    onInfoKey: () => undefined,
  })
  if (opened === undefined) throw new Error('no port')
  return opened
}

t.test('an answer takes one codec, the number for events and the other half of the direction', async (t) => {
  const side = await media()
  t.teardown(() => side.close())
  t.match(parseSdp(side.offer()), { codecs: ['PCMU', 'PCMA'], eventPayloadType: 101, direction: 'sendrecv' })
  t.match(parseSdp(side.answerTo(formatSdp(THEIRS, ORIGIN)) ?? ''), {
    codecs: ['PCMA'],
    eventPayloadType: 96,
    direction: 'recvonly',
  })
  t.equal(side.answerTo(formatSdp({ ...THEIRS, codecs: ['G722'] }, ORIGIN)), undefined)
  t.equal(side.acceptAnswer('nothing'), false)
})

t.test('a phone without events neither offers nor answers them', async (t) => {
  const side = await media(null)
  t.teardown(() => side.close())
  t.equal(parseSdp(side.offer())?.eventPayloadType, undefined)
  t.equal(parseSdp(side.answerTo(formatSdp(THEIRS, ORIGIN)) ?? '')?.eventPayloadType, undefined)
})

t.test('a refused change leaves everything as it was, and ports are not without limit', async (t) => {
  const side = await media()
  t.teardown(() => side.close())
  const before = parseSdp(side.offer())
  t.equal(await side.change({ direction: 'inactive', newPort: true, codecs: ['G722'] }), true)
  t.match(parseSdp(side.offer()), { direction: 'inactive', codecs: ['G722'] })
  side.offerRefused()
  t.same(parseSdp(side.offer()), before)
  t.equal(await side.change({ address: '192.0.2.1' }), false)
  let changes = 0
  while (await side.change({ newPort: true })) changes += 1
  t.equal(changes, 14)
})
