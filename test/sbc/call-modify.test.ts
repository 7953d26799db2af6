import t from 'tap'
import { changeOf } from '../../src/sbc/call-modify.ts'
import { readAudio } from '../../src/sbc/sdp.ts'
import { eventually } from '../fakes/eventually.ts'
import { NEW_PORT, PAYER_PORT, QuickCall, quickSdp } from '../fakes/quick-call.ts'

t.test('an answer in an ACK is taken, and the other party hears of it when it changes anything', async (t) => {
  const quick = await QuickCall.start()
  const { payer, agent } = quick.dialogs
  t.equal((await payer.receive('modify').final()).status, 200)
  payer.ack(quickSdp(NEW_PORT))
  await eventually(() => quick.call.media.audioOf('payer')?.port === NEW_PORT)
  t.equal((await payer.receive('modify').final()).status, 200)
  payer.ack(quickSdp(NEW_PORT, { direction: 'sendonly' }))
  await eventually(() => agent.offered.length === 1)
  t.match(readAudio(agent.offered[0] ?? ''), { direction: 'sendonly' }, 'a new port is none of its business, a hold is')
  t.equal(quick.call.isEnded, false)
  quick.close()
})

for (const window of ['none', 'capturing'] as const)
  t.test(`an answer in an ACK that crosses the loss of rtpengine is no news any more; window: ${window}`, async (t) => {
    const quick = await QuickCall.start()
    const { payer, agent } = quick.dialogs
    quick.spareGuard = quick.otherGuard
    await quick.reach(window)
    t.equal((await payer.receive('modify').final()).status, 200)
    const asked = quick.engine.requests.length
    quick.call.loseMedia()
    payer.ack(quickSdp(NEW_PORT))
    await quick.call.takeAnswer('payer', quickSdp(NEW_PORT))
    t.equal(quick.call.isEnded, false)
    t.same([payer.offered.length, agent.offered.length], [1, 1], 'both were offered the new one')
    t.same(
      quick.engine.requests.slice(asked).map(({ command }) => command),
      ['delete'],
      'the old one is asked nothing',
    )
    t.equal(quick.call.media.audioOf('payer')?.port, PAYER_PORT, 'what the payer answered last')
    t.equal(quick.call.media.isGuarded, window === 'capturing')
    quick.close()
  })

t.test('what a description changes', (t) => {
  const audio = (...sdp: Parameters<typeof quickSdp>) => readAudio(quickSdp(...sdp))
  const before = audio(PAYER_PORT)
  t.equal(changeOf(before, null), null)
  t.equal(changeOf(null, before), 'address')
  t.equal(changeOf(before, audio(NEW_PORT)), 'address')
  t.equal(changeOf(before, audio(PAYER_PORT, { direction: 'sendonly' })), 'hold')
  t.equal(changeOf(audio(PAYER_PORT, { direction: 'inactive' }), before), 'resume')
  t.equal(changeOf(before, audio(PAYER_PORT, { codec: '8 PCMA/8000' })), 'codecs')
  t.end()
})

t.end()
