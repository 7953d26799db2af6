import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { EngineCall } from '../../src/sbc/engine-call.ts'
import { ANY_MEDIA } from '../../src/sbc/leg-media.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import { RtpengineControl, type NgResult } from '../../src/sbc/rtpengine-control.ts'
import { readAudio } from '../../src/sbc/sdp.ts'
import { MediaParty, type PartyMedia } from '../fakes/media-party.ts'
import { PlainGuard } from '../fakes/plain-guard.ts'
import { startRtpengine } from '../fakes/rtpengine.ts'
import { quickSdp } from '../fakes/quick-call.ts'

const [PAYER, AGENT, GUARD] = [0x11, 0x22, 0x33] as const
/** RFC 5737: nobody has it, so whatever is sent there is lost. */
const ADVERTISED = '192.0.2.1'
const SDES = { suites: ['AES_CM_128_HMAC_SHA1_80'] } as const satisfies Omit<PartyMedia, 'mark'>

t.test('an rtpengine behind NAT shows its public address to the parties, and the guard is beside it', async (t) => {
  const engine = await startRtpengine({ interfaces: [`lo/127.0.0.1!${ADVERTISED}`] })
  const logger = createLogger({ role: 'test', level: 'silent' })
  const control = new RtpengineControl({ host: '127.0.0.1', port: engine.port, logger })
  t.teardown(async () => {
    control.close()
    await engine.close()
  })
  for (const [title, media] of [
    ['plain RTP', {}],
    ['two legs with keys from SDP, which are relayed inside of it', SDES],
  ] as const)
    await t.test(title, async (t) => {
      const session = new MediaSession({ engine: control, callId: `call-${title.length}` })
      const trunk = { ...ANY_MEDIA, profile: media === SDES ? ('srtp-sdes' as const) : ANY_MEDIA.profile }
      session.use('payer', trunk)
      session.use('agent', trunk)
      const payer = await MediaParty.open({ ...media, mark: PAYER })
      const agent = await MediaParty.open({ ...media, mark: AGENT })
      const guard = await PlainGuard.open(GUARD)
      const offered = await session.offer('payer', payer.sdp(), { live: false })
      if (offered.kind === 'failed') return void t.fail('not offered')
      const answered = await session.answer('payer', agent.answer(offered.value), { live: false })
      if (answered.kind === 'failed') return void t.fail('not answered')
      for (const told of [offered.value, answered.value]) t.equal(readAudio(told)?.host, ADVERTISED)
      // The NAT before it.
      payer.talk(answered.value.replaceAll(ADVERTISED, '127.0.0.1'))
      agent.talk(offered.value.replaceAll(ADVERTISED, '127.0.0.1'))
      await agent.hears(PAYER)
      await payer.hears(AGENT)
      for (let window = 0; window < 2; window += 1) {
        guard.speaks = true
        await guard.enter(session)
        await agent.hears(GUARD)
        await payer.hears(GUARD)
        t.match(await session.facts(), { value: { guardIsBetween: true, partiesAreDirect: false } })
        guard.speaks = false
        t.same(await session.closeGuard(), { kind: 'ok', value: null })
        await agent.hears(PAYER)
        t.match(await session.facts(), { value: { guardIsBetween: false, partiesAreDirect: true } })
      }
      t.equal(payer.failures + agent.failures, 0)
      for (const part of [payer, agent, guard]) part.close()
      await session.delete()
    })
})

/** An engine that answers as it is told. */
function engineThat(answers: (command: string) => NgResult | Promise<NgResult>): {
  readonly engine: Pick<RtpengineControl, 'request'>
  readonly commands: string[]
} {
  const commands: string[] = []
  const engine = {
    request: (command: string) => {
      commands.push(command)
      return Promise.resolve(answers(command))
    },
  }
  return { engine, commands }
}

t.test('what rtpengine does not say of itself stays as its description says', async (t) => {
  const shown = { leg: { host: ADVERTISED, port: 4_000 } }
  const stream = (own: unknown): NgResult => ({
    kind: 'ok',
    reply: { tags: { leg: { medias: [{ streams: [own] }] } } },
  })
  const cases: readonly (readonly [NgResult, string])[] = [
    [stream({ 'local address': '127.0.0.1', 'local port': 4_000 }), '127.0.0.1'],
    [stream({ 'local address': '127.0.0.1', 'local port': 4_002 }), ADVERTISED],
    [stream({ 'local port': 4_000 }), ADVERTISED],
    [stream(null), ADVERTISED],
    [{ kind: 'ok', reply: {} }, ADVERTISED],
    [{ kind: 'silent' }, ADVERTISED],
  ]
  for (const [reply, host] of cases) {
    const call = new EngineCall({ engine: engineThat(() => reply).engine, callId: 'a' })
    t.same(await call.locate(shown), { leg: { host, port: 4_000 } })
    const located = await call.locateIn(quickSdp(4_000), 'leg')
    t.equal(readAudio(located)?.host, host)
    t.equal(await call.locateIn('no description', 'leg'), 'no description')
  }
})

t.test('a deleted call is asked nothing more, and what was under way is deleted again', async (t) => {
  let answer: (result: NgResult) => void = () => undefined
  const { engine, commands } = engineThat((command) =>
    command === 'offer' ? new Promise<NgResult>((resolve) => (answer = resolve)) : { kind: 'ok', reply: {} },
  )
  const call = new EngineCall({ engine, callId: 'a' })
  const offering = call.request('offer', {}, 100)
  const deleting = call.delete()
  t.same(await call.request('answer', {}, 100), { kind: 'refused', unknownCall: true })
  answer({ kind: 'ok', reply: {} })
  await offering
  t.match(await deleting, { kind: 'ok' })
  t.same(commands, ['offer', 'delete', 'delete'])
  t.ok(call.isDeleted)
})

t.end()
