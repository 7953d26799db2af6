import t from 'tap'
import { CheckCall, type CheckCallEvents } from '../../src/sbc/check-call.ts'
import { writeCheckDescription } from '../../src/sbc/check-description.ts'
import { FakeDialog, FakeRequest, FakeResponse, FakeSip } from '../fakes/fake-sip.ts'

const media = { host: '127.0.0.1', port: 30_000 }
const far = { host: '127.0.0.2', port: 40_000 }
const SDP = writeCheckDescription({ media: far, sessionId: 1, version: 1, offer: null })

/** What a check call told of itself. */
class Told implements CheckCallEvents {
  readonly agreements: unknown[] = []
  readonly infos: unknown[] = []
  ends = 0
  agreed = (agreement: unknown): void => void this.agreements.push(agreement)
  info = (key: { readonly relay: boolean; readonly body: Buffer }): void =>
    void this.infos.push([key.relay, String(key.body)])
  ended = (): void => void (this.ends += 1)
}

function place(options: { readonly ringMsMax?: number; readonly signal?: AbortSignal } = {}) {
  const sip = new FakeSip()
  const told = new Told()
  const placed = CheckCall.place(sip, {
    uri: 'sip:100@127.0.0.2:5060',
    from: 'tonewall',
    peer: { host: '127.0.0.2', port: 5060 },
    transport: 'udp',
    media,
    events: told,
    ringing: () => undefined,
    signal: options.signal ?? new AbortController().signal,
    ...(options.ringMsMax === undefined ? {} : { ringMsMax: options.ringMsMax }),
  })
  return { sip, told, placed }
}

t.test('a placed call says what was agreed, passes INFO on unread, follows re-INVITEs and hangs up', async (t) => {
  const { sip, told, placed } = place()
  const invite = await sip.sentInvite()
  invite.provisional(180)
  const dialog = new FakeDialog({ callId: 'a', sdp: '' })
  invite.answer(dialog, { body: SDP })
  const started = await placed
  if (started.kind !== 'connected') throw new Error('it was answered')
  t.match(started.call.facts, { transport: 'udp', far: { law: 'ulaw', events: [101] } })
  t.type(started.call.facts.ringMs, 'number')
  t.same(told.agreements, [{ remote: far, law: 'ulaw', events: [101] }])

  const info = (type: string, body = 'Signal=5') =>
    dialog.receive('info', { headers: { 'Content-Type': type }, body }).status
  t.equal(info('application/dtmf-relay; x=1'), 200)
  t.equal(info('application/dtmf', '5'), 200)
  t.equal(info('text/plain'), 200)
  t.equal(info('application/dtmf', '5'.repeat(300)), 200)
  t.same(told.infos, [
    [true, 'Signal=5'],
    [false, '5'],
  ])

  const moved = writeCheckDescription({
    media: { host: '127.0.0.9', port: 41_000 },
    sessionId: 1,
    version: 2,
    offer: null,
  })
  t.match(dialog.receive('modify', { body: moved }).sent, [{ status: 200, body: /m=audio 30000/ }])
  t.match(told.agreements.at(-1), { remote: { host: '127.0.0.9', port: 41_000 } })
  t.equal(dialog.receive('modify', { body: 'v=0' }).status, 488)
  t.equal(dialog.receive('refer').status, 405)

  await started.call.hangUp()
  await started.call.hangUp()
  t.equal(dialog.byes.length, 1)
  dialog.bye()
  t.equal(told.ends, 1)
})

t.test('refusals, silence, cancelling and answers that are of no use each have their outcome', async (t) => {
  const refused = place()
  ;(await refused.sip.sentInvite()).reject(407)
  t.same(await refused.placed, { kind: 'rejected', status: 407 })

  const silent = place({ ringMsMax: 20 })
  t.same(await silent.placed, { kind: 'unanswered' })
  t.ok((await silent.sip.sentInvite()).cancelled)

  const person = new AbortController()
  const given = place({ signal: person.signal })
  await given.sip.sentInvite()
  person.abort()
  t.same(await given.placed, { kind: 'unanswered' })

  const useless = place()
  const dialog = new FakeDialog({ callId: 'b', sdp: '' })
  ;(await useless.sip.sentInvite()).answer(dialog, { body: SDP.replace('RTP/AVP 0 8', 'RTP/AVP 18') })
  t.same(await useless.placed, { kind: 'unusable', code: 'no_g711' })
  t.equal(dialog.byes.length, 1, 'and it is hung up')
})

t.test('a call that comes is answered in its own terms, or told why not', async (t) => {
  const sip = new FakeSip()
  const accept = async (body: string, port: typeof media | null = media) => {
    const response = new FakeResponse()
    const request = new FakeRequest({ body, source: '127.0.0.2' })
    const started = await CheckCall.accept(sip, request, response, {
      media: () => Promise.resolve(port),
      events: new Told(),
    })
    return { started, response }
  }
  sip.callerDialog = new FakeDialog({ callId: 'c', sdp: '' })
  const taken = await accept(SDP)
  t.equal(taken.started.kind, 'connected')
  t.same(
    taken.response.sent.map(({ status }) => status),
    [180, 200],
  )
  t.match(taken.response.sent.at(-1)?.body, /m=audio 30000 RTP\/AVP 0 101/)

  for (const [body, code] of [
    ['', 'offerless'],
    ['v=0', 'no_audio'],
    [SDP.replace('AVP 0 8', 'AVP 18'), 'no_g711'],
  ] as const) {
    const refused = await accept(body)
    t.same(refused.started, { kind: 'unusable', code })
    t.equal(refused.response.status, 488)
  }
  const full = await accept(SDP, null)
  t.same([full.started, full.response.status], [{ kind: 'unusable', code: 'no_port' }, 503])
  sip.callerDialog = null
  t.same((await accept(SDP)).started, { kind: 'unusable', code: 'cancelled' })
})
