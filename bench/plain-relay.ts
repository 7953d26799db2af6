import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { RtpengineControl } from '../src/sbc/rtpengine-control.ts'
import { createLogger } from '../src/kit/log.ts'

/**
 * The baseline "plain rtpengine": the least that puts an rtpengine between two phones. One UDP socket passes SIP
 * datagrams between a caller and a callee as they are, and has rtpengine rewrite the session descriptions.
 */
export type PlainRelay = { readonly port: number; close(): void }

const DEADLINE_MS = 2_000

export async function startPlainRelay(options: {
  readonly rtpengine: { readonly host: string; readonly port: number }
  readonly callee: { readonly host: string; readonly port: number }
}): Promise<PlainRelay> {
  const control = new RtpengineControl({
    ...options.rtpengine,
    logger: createLogger({ role: 'bench', level: 'error' }),
  })
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  let caller: RemoteInfo | null = null
  let turn: Promise<unknown> = Promise.resolve()
  socket.on('message', (datagram, from) => {
    const isFromCallee = from.address === options.callee.host && from.port === options.callee.port
    if (!isFromCallee) caller = from
    turn = turn.then(() =>
      pass(socket, control, datagram.toString('latin1'), { isFromCallee, caller, callee: options.callee }),
    )
  })
  return {
    port: socket.address().port,
    close: () => {
      socket.close()
      control.close()
    },
  }
}

async function pass(
  socket: Socket,
  control: RtpengineControl,
  text: string,
  route: {
    readonly isFromCallee: boolean
    readonly caller: RemoteInfo | null
    readonly callee: { readonly host: string; readonly port: number }
  },
): Promise<void> {
  const [head, body] = split(text)
  const callId = /^Call-ID:\s*(.+)$/im.exec(head)?.[1]?.trim() ?? ''
  const isInvite = /^INVITE /.test(head) || /^CSeq:\s*\d+\s+INVITE/im.test(head)
  const rewritten =
    body.startsWith('v=0') && isInvite
      ? await rewrite(control, callId, body, route.isFromCallee ? 'answer' : 'offer')
      : body
  const out = Buffer.from(
    `${head.replace(/^Content-Length:.*$/im, `Content-Length: ${rewritten.length}`)}\r\n\r\n${rewritten}`,
    'latin1',
  )
  if (!route.isFromCallee) socket.send(out, route.callee.port, route.callee.host)
  else if (route.caller !== null) socket.send(out, route.caller.port, route.caller.address)
}

async function rewrite(
  control: RtpengineControl,
  callId: string,
  sdp: string,
  command: 'offer' | 'answer',
): Promise<string> {
  const tags = command === 'offer' ? { 'from-tag': 'caller' } : { 'from-tag': 'caller', 'to-tag': 'callee' }
  const result = await control.request(
    command,
    {
      'call-id': callId,
      ...tags,
      sdp,
      flags: ['trust address'],
      replace: ['origin', 'session-connection'],
      ICE: 'remove',
    },
    { deadlineMs: DEADLINE_MS },
  )
  const answer = result.kind === 'ok' ? result.reply['sdp'] : undefined
  if (typeof answer !== 'string') throw new Error('rtpengine did not take the description')
  return answer
}

function split(text: string): readonly [string, string] {
  const at = text.indexOf('\r\n\r\n')
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 4)]
}
