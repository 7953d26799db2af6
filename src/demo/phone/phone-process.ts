import type { Socket } from 'node:dgram'
import { constants, setPriority } from 'node:os'
import { warmUpEncoders } from '../audio/audio-encoder.ts'
import { loadSpeech } from '../audio/speech.ts'
import { nowUs } from '../monotonic.ts'
import { CallMedia } from './call-media.ts'
import { boundSocket } from './media-port.ts'
import { PacketLog } from './packet-log.ts'
import type {
  PhoneCommand,
  PhoneEventName,
  PhoneMessage,
  PhoneOptions,
  PhoneReplies,
  PhoneRequest,
  RequestOutcome,
  StartOutcome,
} from './phone-protocol.ts'
import { parseSip, type Peer } from './sip-text.ts'
import { UserAgent } from './user-agent.ts'

/** One telephone: a user agent, its media and its log, in a process of its own. */
type Telephone = {
  readonly agent: UserAgent
  readonly media: CallMedia
  readonly log: PacketLog
  readonly options: PhoneOptions
}

const NO_PHONE: RequestOutcome = { kind: 'no_call' }
const DONE: RequestOutcome = { kind: 'done', status: 0 }

/** High, yet below the kernel's own threads. */
const PREFERRED = constants.priority.PRIORITY_HIGH

let telephone: Telephone | undefined

preferThisProcess()

// The parent is gone: so is the reason for this process.
process.on('disconnect', () => process.exit(0))
// Ctrl-C reaches the whole terminal group; the parent decides when a phone hangs up.
process.on('SIGINT', () => undefined)
process.on('message', (request: PhoneRequest) => {
  void run(request.command).then((reply) => tell({ kind: 'reply', id: request.id, reply }))
})

/**
 * A phone is also a measuring instrument: where we may (as root), it goes before other work, so that a busy machine
 * shows as little as possible in its clock. Elsewhere it measures as well as the machine lets it.
 */
function preferThisProcess(): void {
  try {
    setPriority(PREFERRED)
  } catch {
    // Not permitted: the ordinary priority stays.
  }
}

async function run(command: PhoneCommand): Promise<PhoneReplies[PhoneCommand['kind']]> {
  if (command.kind === 'start') return await start(command.options)
  const phone = telephone
  if (phone === undefined) return NO_PHONE
  const { agent, media, log } = phone
  switch (command.kind) {
    case 'call':
      return await agent.call(command.options)
    case 'cancel':
      return agent.cancel()
    case 'answer':
      agent.policy = command.policy
      return DONE
    case 'speak':
      media.speak(command.on)
      return DONE
    case 'press':
      return await media.press(command.options)
    case 'reinvite':
      return (await media.change(command.options)) ? await agent.reinvite() : { kind: 'unanswered' }
    case 'info':
      log.infoSent({ atUs: nowUs(), contentType: command.contentType, body: command.body })
      return await agent.request('INFO', command)
    case 'options':
      return await agent.askOptions(command.to)
    case 'hangup':
      return await agent.hangup()
    case 'report':
      return log.report(phone.options.name)
  }
}

async function start(options: PhoneOptions): Promise<StartOutcome> {
  warmUpEncoders()
  const speech = options.speech === undefined ? undefined : await loadSpeech(options.speech)
  if (speech?.kind === 'missing') return { kind: 'failed', code: 'speech_missing' }
  const socket = await boundSocket(options.address, options.sipPort ?? 0)
  if (socket === undefined) return { kind: 'failed', code: 'address_unavailable' }
  const log = new PacketLog()
  const media = await CallMedia.open({
    options,
    log,
    speech: speech?.samples ?? new Int16Array(0),
    onInfoKey: (key, onMs) => {
      const content = { contentType: 'application/dtmf-relay', body: `Signal=${key}\r\nDuration=${onMs}\r\n` }
      log.infoSent({ atUs: nowUs(), ...content })
      void agent.request('INFO', content)
    },
  })
  if (media === undefined) {
    socket.close()
    return { kind: 'failed', code: 'address_unavailable' }
  }
  const local = { host: options.address, port: socket.address().port }
  const agent = new UserAgent({
    local,
    user: options.name,
    displayName: options.displayName ?? '',
    userAgent: options.userAgent ?? 'demonstration telephone',
    policy: options.answer ?? { kind: 'answer', afterMs: 0, earlyMedia: false },
    media,
    send: (datagram, to) => {
      log.sip('sent', datagram)
      socket.send(datagram, to.port, to.host)
    },
    onEvent: (name, callId) => tellEvent(log, name, callId),
    onInfo: (contentType, body) => log.infoReceived({ atUs: nowUs(), contentType, body }),
  })
  listen(socket, agent, log)
  telephone = { agent, media, log, options }
  return { kind: 'started', sipPort: local.port }
}

function listen(socket: Socket, agent: UserAgent, log: PacketLog): void {
  socket.on('message', (datagram, source) => {
    log.sip('received', datagram)
    const message = parseSip(datagram)
    const peer: Peer = { host: source.address, port: source.port }
    if (message !== undefined) agent.receive(message, peer)
  })
}

function tellEvent(log: PacketLog, name: PhoneEventName, callId: string): void {
  const event = { name, atUs: nowUs(), callId }
  log.event(event)
  tell({ kind: 'event', event })
}

function tell(message: PhoneMessage): void {
  if (process.connected) process.send?.(message)
}
