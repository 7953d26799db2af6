import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { ANY_MEDIA } from '../../src/sbc/leg-media.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { eventually } from '../fakes/eventually.ts'
import { IceAgent } from '../fakes/ice-agent.ts'
import { MediaParty } from '../fakes/media-party.ts'
import { PlainGuard } from '../fakes/plain-guard.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
Object.assign(globalThis.console, { log: () => undefined })
const PAYER = 0x11
const AGENT = 0x22
const GUARD = 0x33

let engine: Rtpengine
let control: RtpengineControl

t.before(async () => {
  engine = await startRtpengine()
  control = new RtpengineControl({ host: '127.0.0.1', port: engine.port, logger })
})
t.after(async () => {
  control.close()
  await engine.close()
})

t.test('a payer that offers ICE does its checks with rtpengine, and they hold in and out of windows', async (t) => {
  const ice = new IceAgent()
  const payer = await MediaParty.open({ mark: PAYER, ice })
  const agent = await MediaParty.open({ mark: AGENT })
  const media = new MediaSession({ engine: control, callId: 'ice' })
  const offered = await media.offer('payer', payer.sdp({ lines: ice.lines(payer.port) }), { live: false })
  if (offered.kind === 'failed') throw new Error('no offer')
  t.notMatch(offered.value, /a=(ice|candidate|rtcp-mux)/, 'a leg without ICE is offered none')
  const answered = await media.answer('payer', agent.sdp(), { live: false })
  if (answered.kind === 'failed') throw new Error('no answer')
  t.ok(ice.learn(answered.value), 'the payer is answered with ICE')
  t.match(answered.value, /a=rtcp-mux/)
  const checks = async (): Promise<void> => {
    const { succeeded } = ice
    payer.check(answered.value)
    await eventually(() => ice.succeeded > succeeded)
  }
  await checks()
  await eventually(() => ice.answered > 0)
  payer.talk(answered.value)
  agent.talk(offered.value)
  await agent.hears(PAYER)
  await payer.hears(AGENT)
  for (let window = 0; window < 2; window += 1) {
    const guard = await PlainGuard.open(GUARD)
    await guard.enter(media)
    await agent.hears(GUARD)
    await payer.hears(GUARD)
    await checks()
    guard.speaks = false
    t.equal((await media.closeGuard()).kind, 'ok')
    await agent.hears(PAYER)
    await payer.hears(AGENT)
    await checks()
    guard.close()
  }
  t.equal(ice.refused, 0, 'every check came under the passwords of the set-up')
  payer.close()
  agent.close()
  await media.delete()
})

t.test('a trunk with ICE is offered a candidate of rtpengine’s, others are not', async (t) => {
  const payer = await MediaParty.open({ mark: PAYER })
  for (const ice of [true, false]) {
    const media = new MediaSession({ engine: control, callId: `ice-asked-${ice}` })
    media.use('agent', { ...ANY_MEDIA, ice })
    const offered = await media.offer('payer', payer.sdp(), { live: false })
    t.equal(offered.kind === 'ok' && /a=ice-ufrag:[^]*a=candidate:/.test(offered.value), ice)
    await media.delete()
  }
  payer.close()
})

t.test('a party that does not know the password is not answered', async (t) => {
  const ice = new IceAgent()
  const payer = await MediaParty.open({ mark: PAYER, ice })
  const agent = await MediaParty.open({ mark: AGENT })
  const media = new MediaSession({ engine: control, callId: 'ice-forged' })
  await media.offer('payer', payer.sdp({ lines: ice.lines(payer.port) }), { live: false })
  const answered = await media.answer('payer', agent.sdp(), { live: false })
  if (answered.kind === 'failed') throw new Error('no answer')
  ice.learn(answered.value.replace(/(a=ice-pwd:)./, '$1_'))
  payer.check(answered.value)
  await eventually(() => ice.refused > 0)
  t.equal(ice.succeeded, 0)
  payer.close()
  agent.close()
  await media.delete()
})

t.end()
