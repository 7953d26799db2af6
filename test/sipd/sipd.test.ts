import t, { type Test } from 'tap'
import { valueOf, type SipRequest, type SipResponse } from '../../src/sipd/message.ts'
import { application, serve, type AppDialog } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

type Bridge = { readonly uas: AppDialog; readonly uac: AppDialog }

/** A caller, a callee, and a drachtio-srf B2BUA between them. */
async function bridge(t: Test, transport: 'udp' | 'tcp', options: object = {}) {
  const served = await serve(t)
  const caller = await RawPeer[transport]()
  const callee = await RawPeer[transport]()
  t.teardown(() => Promise.all([caller.close(), callee.close()]))
  let bridged: (value: Bridge | Error) => void = () => undefined
  const result = new Promise<Bridge | Error>((resolve) => (bridged = resolve))
  await application(t, served.sipd, (srf) => {
    srf.invite((request, response) => {
      srf
        .createB2BUA(request, response, callee.uri, {
          localSdpB: request.body,
          proxyResponseHeaders: ['Retry-After', 'Require'],
          ...options,
        })
        .then(
          (dialogs) => {
            for (const [one, other] of [
              [dialogs.uas, dialogs.uac],
              [dialogs.uac, dialogs.uas],
            ] as const) {
              one.on('destroy', () => void other.destroy())
              one.on('info', (info, answer) => {
                void other
                  .request({
                    method: 'INFO',
                    body: info.body,
                    headers: { 'Content-Type': info.get('Content-Type') ?? '' },
                  })
                  .then(({ status }) => answer.send(status))
              })
              one.on(
                'modify',
                (reinvite, answer) => void other.modify(reinvite.body).then((sdp) => answer.send(200, { body: sdp })),
              )
            }
            bridged(dialogs)
          },
          (error: unknown) => bridged(error instanceof Error ? error : new Error('not an error')),
        )
    })
  })
  return { caller, callee, to: served[transport], result }
}

type Bridged = Awaited<ReturnType<typeof bridge>>

/** Sets the call up to the two ACKs. */
async function answer({
  caller,
  callee,
  to,
}: Bridged): Promise<{ invite: SipRequest; response: SipResponse; inviteB: SipRequest }> {
  const invite = caller.request(to, { method: 'INVITE', body: SDP })
  const inviteB = await callee.nextRequest('INVITE')
  callee.respond(inviteB, to, { status: 200, tag: 'b', body: SDP })
  const response = await caller.nextResponse('INVITE', 200)
  caller.inDialog(to, { invite, response }, { method: 'ACK', cseq: 1 })
  await callee.nextRequest('ACK')
  return { invite, response, inviteB }
}

for (const transport of ['udp', 'tcp'] as const) {
  t.test(
    `a bridged call over ${transport}: early media, INFO and re-INVITE both ways, BYE from the caller`,
    async (t) => {
      const bridged = await bridge(t, transport)
      const { caller, callee, to } = bridged
      const invite = caller.request(to, { method: 'INVITE', body: SDP })
      const inviteB = await callee.nextRequest('INVITE')
      t.not(valueOf(inviteB, 'call-id'), valueOf(invite, 'call-id'))
      callee.respond(inviteB, to, { status: 183, tag: 'b', body: SDP })
      const early = await caller.nextResponse('INVITE', 183)
      t.equal(early.body.toString(), SDP)
      t.match(valueOf(early, 'to'), /;tag=/)
      callee.respond(inviteB, to, { status: 200, tag: 'b', body: SDP })
      const response = await caller.nextResponse('INVITE', 200)
      t.equal(valueOf(early, 'to'), valueOf(response, 'to'))
      caller.inDialog(to, { invite, response }, { method: 'ACK', cseq: 1 })
      await callee.nextRequest('ACK')
      t.notOk((await bridged.result) instanceof Error)

      caller.inDialog(
        to,
        { invite, response },
        { method: 'INFO', cseq: 2, headers: { 'content-type': 'application/dtmf-relay' }, body: 'Signal=x' },
      )
      const info = await callee.nextRequest('INFO')
      t.equal(info.body.toString(), 'Signal=x')
      callee.respond(info, to, { status: 200 })
      await caller.nextResponse('INFO', 200)

      caller.inDialog(
        to,
        { invite, response },
        { method: 'INVITE', cseq: 3, body: SDP.replace('sendrecv', 'sendonly') },
      )
      const hold = await callee.nextRequest('INVITE')
      t.match(hold.body.toString(), 'sendonly')
      callee.respond(hold, to, { status: 200, body: SDP.replace('sendrecv', 'recvonly') })
      const held = await caller.nextResponse('INVITE', 200)
      t.match(held.body.toString(), 'recvonly')
      caller.inDialog(to, { invite, response }, { method: 'ACK', cseq: 3 })

      await callee.nextRequest('ACK')
      callee.request(to, {
        method: 'INFO',
        headers: {
          from: `${valueOf(inviteB, 'to') ?? ''};tag=b`,
          to: valueOf(inviteB, 'from') ?? '',
          'call-id': valueOf(inviteB, 'call-id') ?? '',
          'content-type': 'text/plain',
        },
        body: 'up',
      })
      const up = await caller.nextRequest('INFO')
      t.equal(up.body.toString(), 'up')
      caller.respond(up, to, { status: 415 })
      await callee.nextResponse('INFO', 415)

      caller.inDialog(to, { invite, response }, { method: 'BYE', cseq: 4 })
      await caller.nextResponse('BYE', 200)
      const bye = await callee.nextRequest('BYE')
      callee.respond(bye, to, { status: 200 })
    },
  )
}

t.test('the callee may hang up', async (t) => {
  const bridged = await bridge(t, 'udp')
  const { caller, callee, to } = bridged
  const { inviteB } = await answer(bridged)
  callee.request(to, {
    method: 'BYE',
    headers: {
      from: `${valueOf(inviteB, 'to') ?? ''};tag=b`,
      to: valueOf(inviteB, 'from') ?? '',
      'call-id': valueOf(inviteB, 'call-id') ?? '',
    },
  })
  await callee.nextResponse('BYE', 200)
  caller.respond(await caller.nextRequest('BYE'), to, { status: 200 })
})

t.test('a refusal passes with its headers, and the caller hears it until it acknowledges', async (t) => {
  const { caller, callee, to, result } = await bridge(t, 'udp')
  const invite = caller.request(to, { method: 'INVITE', body: SDP })
  const inviteB = await callee.nextRequest('INVITE')
  callee.respond(inviteB, to, { status: 503, tag: 'b', headers: { 'Retry-After': '9' } })
  const refused = await caller.nextResponse('INVITE', 503)
  t.equal(valueOf(refused, 'retry-after'), '9')
  t.equal((await caller.nextResponse('INVITE', 503)).status, 503, 'sent again while no ACK came')
  caller.request(to, {
    method: 'ACK',
    headers: {
      via: valueOf(invite, 'via') ?? '',
      to: valueOf(refused, 'to') ?? '',
      'call-id': valueOf(invite, 'call-id') ?? '',
    },
  })
  t.ok((await result) instanceof Error)
})

t.test('a caller that cancels gets 200 and 487, and the callee is cancelled', async (t) => {
  const { caller, callee, to, result } = await bridge(t, 'udp')
  const invite = caller.request(to, { method: 'INVITE', body: SDP })
  const inviteB = await callee.nextRequest('INVITE')
  callee.respond(inviteB, to, { status: 180, tag: 'b' })
  await caller.nextResponse('INVITE', 180)
  const same = { via: valueOf(invite, 'via') ?? '', 'call-id': valueOf(invite, 'call-id') ?? '' }
  caller.request(to, { method: 'CANCEL', headers: same })
  await caller.nextResponse('CANCEL', 200)
  const terminated = await caller.nextResponse('INVITE', 487)
  caller.request(to, { method: 'ACK', headers: { ...same, to: valueOf(terminated, 'to') ?? '' } })
  const cancel = await callee.nextRequest('CANCEL')
  callee.respond(cancel, to, { status: 200 })
  callee.respond(inviteB, to, { status: 487, tag: 'b' })
  await callee.nextRequest('ACK')
  t.ok((await result) instanceof Error)
})

t.test('a reliable 183 crosses the bridge, each leg with its own RSeq', async (t) => {
  const { caller, callee, to } = await bridge(t, 'udp')
  const invite = caller.request(to, { method: 'INVITE', body: SDP, headers: { supported: '100rel' } })
  const inviteB = await callee.nextRequest('INVITE')
  callee.respond(inviteB, to, { status: 183, tag: 'b', body: SDP, headers: { Require: '100rel', RSeq: '4711' } })
  callee.respond(await callee.nextRequest('PRACK'), to, { status: 200 })
  const early = await caller.nextResponse('INVITE', 183)
  t.equal(valueOf(early, 'require'), '100rel')
  t.not(valueOf(early, 'rseq'), '4711')
  t.equal(
    valueOf(await caller.nextResponse('INVITE', 183), 'rseq'),
    valueOf(early, 'rseq'),
    'sent again until the PRACK',
  )
  caller.inDialog(to, { invite, response: early }, { method: 'PRACK', cseq: 2, headers: { rack: `99 1 INVITE` } })
  await caller.nextResponse('PRACK', 481)
  caller.inDialog(
    to,
    { invite, response: early },
    { method: 'PRACK', cseq: 3, headers: { rack: `${valueOf(early, 'rseq') ?? ''} 1 INVITE` } },
  )
  await caller.nextResponse('PRACK', 200)
  callee.respond(inviteB, to, { status: 200, tag: 'b' })
  const response = await caller.nextResponse('INVITE', 200)
  caller.inDialog(to, { invite, response }, { method: 'ACK', cseq: 1 })
  await callee.nextRequest('ACK')
  caller.inDialog(to, { invite, response }, { method: 'BYE', cseq: 4 })
  await caller.nextResponse('BYE', 200)
  callee.respond(await callee.nextRequest('BYE'), to, { status: 200 })
})
