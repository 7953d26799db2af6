import { connect, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { openEnvelope } from '../../src/sipd/envelope.ts'
import { parseMessage } from '../../src/sipd/message-parser.ts'
import { MessageStream } from '../../src/sipd/message-stream.ts'
import { serialize, valueOf, type SipMessage } from '../../src/sipd/message.ts'
import { requestFault } from '../../src/sipd/request-rules.ts'
import { parseVia } from '../../src/sipd/via.ts'
import { eventually } from '../fakes/eventually.ts'
import { seededRandom } from '../fakes/seeded-random.ts'
import { serve } from './application.ts'
import { MessageGrammar } from './message-grammar.ts'
import { probe, registrar, ViaPeer } from './torture-peer.ts'

/** A longer run by hand: FUZZ_MESSAGES=1000000 FUZZ_SEED=2 TAP_TIMEOUT=3600 node test/sipd/torture-fuzz.test.ts */
const MESSAGES = Number(process.env['FUZZ_MESSAGES'] ?? 100_000)
const SEED = Number(process.env['FUZZ_SEED'] ?? 1)

/** One in twenty of them goes through a whole server. */
const SERVED = MESSAGES / 20

/** Noise of the heap between two collections; a leak of 1 % of the messages would be ten times this. */
const GROWTH_BYTES_MAX = 8 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const heapBytes = (): number => {
  collect()
  return process.memoryUsage().heapUsed + process.memoryUsage().external
}

t.test(`${MESSAGES} messages of the grammar, half of them damaged, through the parser`, (t) => {
  const random = seededRandom(SEED)
  const grammar = new MessageGrammar(random, { transport: 'TCP', sentBy: '127.0.0.1:5060' })
  let accepted = 0
  let refused = 0
  let early = 0
  for (let round = 0; round < MESSAGES; round += 1) {
    if (round === Math.floor(MESSAGES / 5)) early = heapBytes()
    const valid = grammar.message()
    if (round % 2 === 0) {
      if (!isSound(valid)) {
        t.fail(`a valid message was refused: ${JSON.stringify(valid.toString('latin1'))}`)
        break
      }
      continue
    }
    const damaged = grammar.damaged(valid)
    const parsed = parseMessage(damaged)
    if (parsed.kind === 'refused' && parsed.partial !== undefined) serialize(parsed.partial)
    if (parsed.kind === 'message') {
      accepted += 1
      if (!survives(parsed.message)) t.fail(`seed ${SEED} round ${round}: read otherwise when written again`)
    } else refused += 1
    if (round % 21 === 0) pour(damaged, random.below)
  }
  t.ok(accepted > MESSAGES / 10 && refused > MESSAGES / 10, 'damage is neither harmless nor always fatal')
  const growth = heapBytes() - early
  t.ok(growth < GROWTH_BYTES_MAX, 'the heap does not grow')
  t.comment(`accepted ${accepted} refused ${refused} of the damaged; heap ${Math.round(growth / 1024)} KiB more`)
  t.end()
})

t.test(`${SERVED} messages, half of them damaged, through the server by UDP and TCP`, async (t) => {
  const { sipd, udp, tcp, metrics } = await serve(t, { limits: { t1Ms: 5, closeMs: 100 } })
  await registrar(t, sipd)
  const peer = await ViaPeer.open(t)
  const random = seededRandom(SEED + 1)
  const overUdp = new MessageGrammar(random, { transport: 'UDP', sentBy: '127.0.0.1' })
  const overTcp = new MessageGrammar(random, { transport: 'TCP', sentBy: '127.0.0.1:5060' })
  let stream: Stream | undefined
  let answers = 0
  let early = 0
  const check = (): void => {
    for (const answer of [...peer.finals.splice(0), ...(stream?.answers.splice(0) ?? [])]) {
      answers += 1
      const sound = answer.kind === 'response' && parseVia(valueOf(answer, 'via') ?? '') !== undefined
      if (!sound) t.fail('an answer cannot be read')
    }
    const unreadable = stream?.unreadable ?? 0
    if (unreadable + peer.unreadable > 0) t.fail('an answer is not well formed')
  }
  for (let round = 0; round < SERVED; round += 1) {
    if (round === Math.floor(SERVED / 5)) early = heapBytes()
    const grammar = round % 2 === 0 ? overUdp : overTcp
    const message = round % 4 < 2 ? grammar.message() : grammar.damaged(grammar.message())
    if (grammar === overUdp) peer.send(message, udp)
    else {
      if (stream === undefined || stream.socket.destroyed || round % 40 === 1) {
        stream?.socket.destroy()
        stream = openStream(tcp)
      }
      stream.socket.write(message)
    }
    if (round % 50 !== 49) continue
    await peer.ask(probe(`alive-${round}`), udp)
    check()
  }
  await peer.ask(probe('at-the-end'), udp)
  check()
  stream?.socket.destroy()
  t.ok(answers > SERVED / 5, 'most requests were answered')
  t.match(await metrics.registry.metrics(), /tonewall_sipd_faults_total\{role="sipd"\} 0/)
  let growth = 0
  await eventually(() => {
    growth = heapBytes() - early
    return growth < GROWTH_BYTES_MAX
  })
  t.comment(`${answers} answers; heap ${Math.round(growth / 1024)} KiB more`)
})

function isSound(bytes: Buffer): boolean {
  const parsed = parseMessage(bytes)
  if (parsed.kind !== 'message' || typeof openEnvelope(parsed.message) === 'string') return false
  return parsed.message.kind === 'response' || requestFault(parsed.message) === undefined
}

/** What was accepted and is written again is read as the same message. */
function survives(message: SipMessage): boolean {
  const again = parseMessage(serialize(message))
  if (again.kind !== 'message') return false
  const text = (one: SipMessage): string =>
    JSON.stringify(openEnvelope(one), (_, value: unknown) => (value instanceof Map ? [...value] : value))
  return text(again.message) === text(message) && again.message.body.equals(message.body)
}

/** The bytes in pieces of any size through the splitter: it ends, and what it cuts out can be parsed without a throw. */
function pour(bytes: Buffer, below: (limit: number) => number): void {
  const stream = new MessageStream()
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + below(bytes.length - at)
    for (const item of stream.push(bytes.subarray(at, end))) if (item.kind === 'message') parseMessage(item.bytes)
    at = end
  }
}

type Stream = { readonly socket: Socket; readonly answers: SipMessage[]; unreadable: number }

function openStream(to: { readonly host: string; readonly port: number }): Stream {
  const opened: Stream = { socket: connect(to), answers: [], unreadable: 0 }
  const incoming = new MessageStream()
  opened.socket.on('error', () => opened.socket.destroy())
  opened.socket.on('data', (chunk: Buffer) => {
    for (const item of incoming.push(chunk)) {
      if (item.kind === 'broken') opened.unreadable += 1
      if (item.kind !== 'message') continue
      const parsed = parseMessage(item.bytes)
      if (parsed.kind === 'message') opened.answers.push(parsed.message)
      else opened.unreadable += 1
    }
  })
  return opened
}
