import t from 'tap'
import { readMatchedFilter } from '../../src/demo/judge/matched-filter.ts'
import { readMultimon } from '../../src/demo/judge/multimon-judge.ts'
import { readOutOfBand } from '../../src/demo/judge/out-of-band-judge.ts'
import { recordSide } from '../../src/demo/judge/recording.ts'
import { scoreKeys } from '../../src/demo/judge/score-keys.ts'
import { callDelays, lossRatio } from '../../src/demo/measure/call-measures.ts'
import { spawnPhone, type Phone } from '../../src/demo/phone-client.ts'
import type { PhoneOptions } from '../../src/demo/phone/phone-protocol.ts'

const KEYS = '1234567890*#'
const TRANSPORTS = ['events', 'inband', 'both', 'info'] as const
// Calls take their time but little of the processor, so two codecs are tried at once.
t.jobs = 2

const DEADLINE = { deadlineMs: 10_000 }

async function pair(
  test: Pick<typeof t, 'teardown'>,
  options: { readonly payer?: Partial<PhoneOptions>; readonly agent?: Partial<PhoneOptions> },
): Promise<{ readonly payer: Phone; readonly agent: Phone }> {
  const [payer, agent] = await Promise.all([
    spawnPhone({ name: 'payer', address: '127.0.0.2', ...options.payer }),
    spawnPhone({ name: 'agent', address: '127.0.0.3', codecs: ['PCMU', 'PCMA', 'G722'], ...options.agent }),
  ])
  test.teardown(() => Promise.all([payer.close(), agent.close()]))
  return { payer, agent }
}

for (const codec of ['PCMU', 'PCMA', 'G722'] as const) {
  t.test(
    `every key of every transport is read from both ends of a direct ${codec} call`,
    { buffered: true },
    async (t) => {
      const speech = { voice: 'payer', seed: 5 } as const
      const { payer, agent } = await pair(t, { payer: { codecs: [codec], speech } })
      t.match(await payer.call({ to: agent.uri }), { kind: 'answered' })
      await agent.until('acknowledged', DEADLINE)
      await payer.speak(false)
      for (const transport of TRANSPORTS) {
        const pressed = await payer.press({ keys: KEYS, onMs: 60, offMs: 60, transport })
        t.equal(pressed.kind === 'pressed' ? pressed.keys.length : 0, KEYS.length)
      }
      await agent.until('info', { ...DEADLINE, count: KEYS.length })
      await payer.hangup()
      await agent.until('ended', DEADLINE)
      const [ours, theirs] = await Promise.all([payer.report(), agent.report()])
      const keyed = KEYS.repeat(TRANSPORTS.length)
      for (const [side, mayBeLate] of [
        [{ packets: ours.sent, infos: ours.infosSent }, 0],
        // On a busy machine an INFO can come so late that a filter bound to the key times misses it.
        [{ packets: theirs.received, infos: theirs.infosReceived }, 3],
      ] as const) {
        const recording = recordSide(side)
        const filter = readMatchedFilter({ recording, keys: ours.keys })
        t.ok(filter.read >= keyed.length - mayBeLate)
        t.ok(filter.forcedChoice.hits >= keyed.length - mayBeLate)
        t.equal(scoreKeys(KEYS.repeat(3), readOutOfBand(side)), KEYS.length * 3, 'all but in-band')
        const multimon = await readMultimon(recording)
        t.equal(multimon.kind === 'read' ? scoreKeys(keyed, multimon.keys) : multimon.code, keyed.length)
      }
      const call = { sent: ours.sent, received: theirs.received }
      t.equal(lossRatio(call), 0)
      const delays = callDelays(call, []).clear
      t.ok(delays !== undefined && delays.p50 > 0 && delays.p50 < 20, 'a direct call has hardly any delay')
    },
  )
}

t.test('a call can be refused, cancelled, left ringing, or find the phone busy', async (t) => {
  const { payer, agent } = await pair(t, {})
  await agent.answer({ kind: 'refuse', afterMs: 0, status: 603, reason: 'Decline' })
  t.match(await payer.call({ to: agent.uri }), { kind: 'refused', status: 603, reason: 'Decline' })
  await agent.answer({ kind: 'ring' })
  const calling = payer.call({ to: agent.uri })
  await payer.until('ringing', DEADLINE)
  t.same(await payer.call({ to: agent.uri }), { kind: 'busy' })
  await payer.cancel()
  t.match(await calling, { kind: 'refused', status: 487 })
  await agent.until('cancelled', DEADLINE)
  t.same(await payer.hangup(), { kind: 'no_call' })
  t.same(await payer.press({ keys: '1', transport: 'events' }), { kind: 'no_call' })
  t.match(await payer.options(agent.uri), { kind: 'done', status: 200 })
})

t.test('early media, hold, codec and address change, INFO and BYE from the other side', async (t) => {
  const { payer, agent } = await pair(t, {
    payer: { userAgent: 'payer-brand', sdpOrigin: 'payer-origin' },
    agent: { answer: { kind: 'answer', afterMs: 200, earlyMedia: true } },
  })
  const calling = payer.call({ to: agent.uri, headers: [['X-Trace', 'one']] })
  await payer.until('early_media', DEADLINE)
  t.match(await calling, { kind: 'answered' })
  t.match(await payer.reinvite({ direction: 'inactive' }), { kind: 'done' })
  t.match(await payer.reinvite({ direction: 'sendrecv', codecs: ['PCMA'], address: '127.0.0.4' }), { kind: 'done' })
  t.match(await agent.reinvite({ newPort: true, codecs: ['PCMA'] }), { kind: 'done' })
  t.match(await payer.reinvite({ codecs: ['G722'] }), { kind: 'refused', status: 488 })
  t.match(await agent.info({ contentType: 'application/dtmf', body: '7' }), { kind: 'done' })
  await payer.press({ keys: '1', transport: 'inband', onMs: 60, offMs: 60 })
  t.same(await payer.press({ keys: 'x', transport: 'inband' }), { kind: 'not_a_key' })
  t.match(await agent.hangup(), { kind: 'done' })
  await payer.until('ended', DEADLINE)
  const [ours, theirs] = await Promise.all([payer.report(), agent.report()])
  t.ok(theirs.received.some(({ payloadType }) => payloadType === 8))
  t.ok(ours.received.some(({ payloadType }) => payloadType === 8))
  t.same(
    ours.infosReceived.map(({ body }) => body),
    ['7'],
  )
  const seen = theirs.sipReceived.join('')
  for (const text of ['payer-brand', 'payer-origin', 'X-Trace: one', '127.0.0.4', 'a=inactive']) {
    t.ok(seen.includes(text), text)
  }
})

t.test('a phone without a voice is silent but for noise, and its packets keep to 20 ms', async (t) => {
  const { payer, agent } = await pair(t, {})
  await payer.call({ to: agent.uri })
  await payer.press({ keys: '123', transport: 'events', onMs: 20, offMs: 400 })
  await payer.hangup()
  const { sent } = await payer.report()
  const audio = sent.filter(({ payloadType }) => payloadType === 0)
  const first = audio[0]
  const last = audio.at(-1)
  if (first === undefined || last === undefined) throw new Error('nothing was sent')
  const stated = ((last.timestamp - first.timestamp) | 0) * 125
  t.ok(Math.abs(last.atUs - first.atUs - stated) < 20_000, 'no drift')
})

t.test('a phone that cannot start says why, and one that died fails what is asked of it', async (t) => {
  await t.rejects(spawnPhone({ name: 'x', address: '192.0.2.1' }), { code: 'address_unavailable' })
  const phone = await spawnPhone({ name: 'x', address: '127.0.0.2' })
  await t.rejects(phone.until('answered', { deadlineMs: 20 }), { code: 'event_missing' })
  const calling = phone.call({ to: 'sip:nobody@127.0.0.5:9' })
  await phone.close()
  await phone.close()
  await t.rejects(calling, { code: 'phone_ended' })
  await t.rejects(phone.report(), { code: 'phone_ended' })
})
