import t from 'tap'
import type { PhoneEventName } from '../../../src/demo/phone/phone-protocol.ts'
import { headerOf, parseSip, tagOf, type Peer, type SipMessage } from '../../../src/demo/phone/sip-text.ts'
import { UserAgent } from '../../../src/demo/phone/user-agent.ts'

type Wire = {
  readonly agent: UserAgent
  readonly events: PhoneEventName[]
  readonly infos: string[]
  /** The n-th message that was sent. */
  readonly sent: (index: number) => Promise<SipMessage>
  readonly count: () => number
}

const PEER: Peer = { host: '127.0.0.9', port: 5099 }

function wire(): Wire {
  const messages: SipMessage[] = []
  const events: PhoneEventName[] = []
  const infos: string[] = []
  const waiting: (() => void)[] = []
  const agent = new UserAgent({
    local: { host: '127.0.0.2', port: 5060 },
    user: 'payer',
    displayName: '',
    userAgent: 'test',
    policy: { kind: 'answer', afterMs: 0, earlyMedia: false },
    media: {
      offer: () => 'our offer',
      answerTo: (offer) => (offer === 'bad' ? undefined : 'our answer'),
      acceptAnswer: () => true,
      offerRefused: () => undefined,
      stop: () => undefined,
    },
    send: (datagram) => {
      const message = parseSip(datagram)
      if (message !== undefined) messages.push(message)
      for (const wake of waiting.splice(0)) wake()
    },
    onEvent: (name) => events.push(name),
    onInfo: (_type, body) => infos.push(body),
  })
  const sent = async (index: number): Promise<SipMessage> => {
    for (;;) {
      const message = messages[index]
      if (message !== undefined) return message
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
  }
  return { agent, events, infos, sent, count: () => messages.length }
}

function answer(request: SipMessage, status: number, body = ''): SipMessage {
  const headers = request.headers.map(([name, value]) => [name, name === 'to' ? `${value};tag=far` : value] as const)
  return { kind: 'response', status, reason: 'Reason', headers, body }
}

function request(
  method: string,
  options: { readonly sequence: number; readonly toTag?: string; readonly branch?: string; readonly body?: string },
): SipMessage {
  const tag = options.toTag === undefined ? '' : `;tag=${options.toTag}`
  return {
    kind: 'request',
    method,
    uri: 'sip:payer@127.0.0.2',
    headers: [
      ['via', `SIP/2.0/UDP 127.0.0.9:5099;branch=z9hG4bK${options.branch ?? `${method}${options.sequence}`};rport`],
      ['from', '<sip:far@127.0.0.9>;tag=far'],
      ['to', `<sip:payer@127.0.0.2>${tag}`],
      ['call-id', 'their call'],
      ['cseq', `${options.sequence} ${method}`],
      ['contact', '<sip:far@127.0.0.9:5099>'],
    ],
    body: options.body ?? 'their offer',
  }
}

t.test('an INVITE that nobody hears is sent again, and a 2xx heard twice is acknowledged twice', async (t) => {
  const { agent, sent } = wire()
  t.teardown(() => agent.close())
  const calling = agent.call({ to: 'sip:1000@127.0.0.9:5099' })
  const first = await sent(0)
  t.same(await sent(1), first, 'the same bytes after T1')
  agent.receive(answer(first, 200, 'answer'), PEER)
  t.match(await calling, { kind: 'answered' })
  const ack = await sent(2)
  t.match(ack, { method: 'ACK' })
  agent.receive(answer(first, 200, 'answer'), PEER)
  t.same(await sent(3), ack)
})

t.test('a refused call is acknowledged in its own transaction, each time it is refused', async (t) => {
  const { agent, sent, events } = wire()
  t.teardown(() => agent.close())
  const calling = agent.call({ to: 'sip:1000@127.0.0.9:5099' })
  const invite = await sent(0)
  agent.receive(answer(invite, 503), PEER)
  agent.receive(answer(invite, 503), PEER)
  t.match(await calling, { kind: 'refused', status: 503, reason: 'Reason' })
  const ack = await sent(1)
  t.match(ack, { method: 'ACK' })
  t.equal(headerOf(ack, 'via'), headerOf(invite, 'via'))
  t.same(await sent(2), ack)
  t.same(events, ['refused'])
})

t.test('a call is cancelled only after something was heard of it', async (t) => {
  const { agent, sent, count } = wire()
  t.teardown(() => agent.close())
  const calling = agent.call({ to: 'sip:1000@127.0.0.9:5099' })
  const invite = await sent(0)
  t.same(agent.cancel(), { kind: 'done', status: 0 })
  t.equal(count(), 1)
  agent.receive(answer(invite, 180), PEER)
  const cancel = await sent(1)
  t.match(cancel, { method: 'CANCEL' })
  t.equal(headerOf(cancel, 'via'), headerOf(invite, 'via'))
  agent.receive(answer(cancel, 200), PEER)
  agent.receive(answer(invite, 487), PEER)
  t.match(await calling, { kind: 'refused', status: 487 })
})

t.test('a call is taken, its repetition answered alike, and the answer sent until the ACK', async (t) => {
  const { agent, sent, events, infos } = wire()
  t.teardown(() => agent.close())
  const invite = request('INVITE', { sequence: 1 })
  agent.receive(invite, PEER)
  t.match(await sent(0), { status: 180 })
  const ok = await sent(1)
  t.match(ok, { status: 200, body: 'our answer' })
  agent.receive(invite, PEER)
  t.same(await sent(2), ok, 'the repetition gets the same answer')
  t.same(await sent(3), ok, 'the answer is repeated after T1')
  const toTag = tagOf(headerOf(ok, 'to') ?? '') ?? ''
  agent.receive(request('ACK', { sequence: 1, toTag, branch: 'ack' }), PEER)
  agent.receive(request('INFO', { sequence: 2, toTag, body: 'Signal=1' }), PEER)
  t.match(await sent(4), { status: 200 })
  t.same(infos, ['Signal=1'])
  agent.receive(request('INFO', { sequence: 1, toTag, branch: 'late' }), PEER)
  t.match(await sent(5), { status: 500 })
  agent.receive(request('INVITE', { sequence: 3, toTag, body: 'bad' }), PEER)
  t.match(await sent(6), { status: 488 })
  agent.receive(request('BYE', { sequence: 4, toTag }), PEER)
  t.match(await sent(7), { status: 200 })
  t.same(events, ['incoming', 'answered', 'acknowledged', 'info', 'ended'])
})

t.test('requests that belong to no call are refused', async (t) => {
  const { agent, sent } = wire()
  t.teardown(() => agent.close())
  for (const [index, [method, status]] of (
    [
      ['BYE', 481],
      ['INFO', 481],
      ['CANCEL', 481],
      ['REFER', 405],
      ['OPTIONS', 200],
    ] as const
  ).entries()) {
    agent.receive(request(method, { sequence: index + 1 }), PEER)
    t.match(await sent(index), { status })
  }
})
