import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { runCallsCommand, callsTable, type CommandOutput } from '../../src/main/calls-command.ts'
import { runTraceCommand } from '../../src/main/trace-command.ts'
import { CallDirectory } from '../../src/sbc/call-directory.ts'
import { CallEntry } from '../../src/sbc/call-entry.ts'
import { DeskServer } from '../../src/sbc/desk-server.ts'
import { OperatorAnswers, type SipdChannel } from '../../src/sbc/operator-answers.ts'
import type { LiveCall } from '../../src/wire/operator-protocol.ts'
import type { TracedMessage } from '../../src/wire/trace-protocol.ts'
import { freePort } from '../fakes/free-port.ts'
import { sharedCertificates, sharedIdentity } from '../fakes/shared-certificates.ts'

const START = 1_795_335_000_000
const CALL: LiveCall = {
  callId: 'abcdefghijklmnopqrst',
  sipCallId: 'p',
  state: 'talking',
  direction: 'outbound',
  from: '15551230001',
  to: '18005550199',
  payerTrunk: 'carrier',
  agentTrunk: 'centre',
  merchant: 'shop',
  agent: 'anna',
  startedAtMs: START,
  answeredAtMs: START + 1_000,
  window: 'capturing',
  rtpengine: 'media-1',
  payerCodec: 'PCMU',
  agentCodec: 'G722',
}
const NEVER = new AbortController().signal

function invite(sequence: number): TracedMessage {
  return {
    sequence,
    atMs: START + sequence,
    direction: 'received',
    transport: 'udp',
    local: '192.0.2.1:5060',
    remote: '192.0.2.7:5060',
    text: `INVITE sip:b@x SIP/2.0\r\nCall-ID: p\r\nCSeq: ${sequence} INVITE\r\n\r\n`,
  }
}

/** An sbc whose journal holds one call, and whose sipd has one message more with each question. */
async function sbc(t: Test, options: { readonly calls?: readonly LiveCall[]; readonly withSipd?: boolean } = {}) {
  const entry = new CallEntry({
    sipCallId: 'p',
    callerParty: 'payer',
    callerTrunk: 'carrier',
    from: '1',
    to: '2',
    isEmergency: false,
    dateMs: () => START,
    trunkOf: () => null,
  })
  const operators = new OperatorAnswers({
    journal: { liveCalls: () => options.calls ?? [CALL], find: (id) => (id === 'p' ? entry : null) },
  })
  const messages: TracedMessage[] = []
  const sipd: SipdChannel = {
    request: ({ sipCallIds }) => {
      if (sipCallIds.includes('p')) messages.push(invite(messages.length + 1))
      if (messages.length === 3) entry.end({ by: 'payer', reason: 'cancelled', q850Cause: null, sipCause: null }, 487)
      const told = sipCallIds.includes('p') ? [...messages] : []
      return Promise.resolve({
        kind: 'reply',
        message: { type: 'trace.messages', messages: told },
        body: Buffer.alloc(0),
      })
    },
  }
  if (options.withSipd !== false) operators.add(sipd)
  const server = new DeskServer({
    directory: new CallDirectory(),
    selfTests: { now: () => Promise.resolve([]) },
    operators,
  })
  const logger = createLogger({ role: 'test', level: 'silent' })
  await server.listen({ host: '127.0.0.1', port: 0, identity: sharedIdentity('sbc'), logger })
  t.teardown(() => server.close())
  return configurationFor(server.port)
}

function configurationFor(port: number) {
  return {
    certificates: { folder: sharedCertificates(), development: true, revoked: null },
    sbc: { host: '127.0.0.1', port },
    sip: { server: 'embedded' },
  } as const
}

function collected(): { readonly output: CommandOutput; readonly text: () => string } {
  let text = ''
  return {
    output: { say: (line) => (text += `${line}\n`), write: (more) => (text += more), isTerminal: false },
    text: () => text,
  }
}

t.test('calls are a table, and JSON', async (t) => {
  const configuration = await sbc(t, { calls: Array.from({ length: 1_500 }, () => CALL) })
  const command = { kind: 'calls', configurationFile: '', json: true, watch: false } as const
  const json = collected()
  t.equal(await runCallsCommand(command, configuration, json.output, NEVER), 0)
  t.equal((JSON.parse(json.text()) as unknown[]).length, 1_500, 'all pages')
  const table = collected()
  t.equal(await runCallsCommand({ ...command, json: false }, configuration, table.output, NEVER), 0)
  t.match(table.text(), /1500 calls\n$/)
  t.same(callsTable([CALL], START + 3_662_000), [
    'CALL                  FROM         TO           AGENT  TRUNKS            STATE    TIME     WINDOW     RTPENGINE  CODEC',
    'abcdefghijklmnopqrst  15551230001  18005550199  anna   centre > carrier  talking  1:01:01  capturing  media-1    PCMU/G722',
    '1 call',
  ])
})

t.test('a watched table is drawn again until it is told to end', async (t) => {
  const configuration = await sbc(t)
  const ending = new AbortController()
  const { output, text } = collected()
  const drawn = { ...output, isTerminal: true, write: (more: string) => (output.write(more), ending.abort()) }
  const command = { kind: 'calls', configurationFile: '', json: false, watch: true } as const
  t.equal(await runCallsCommand(command, configuration, drawn, ending.signal), 0)
  t.match(text(), /^\u001b\[H\u001b\[JCALL/)
})

t.test('a followed call is shown step by step, each once, until it has ended', async (t) => {
  const configuration = await sbc(t)
  const { output, text } = collected()
  const command = { kind: 'trace', configurationFile: '', call: 'p', json: false, follow: true } as const
  t.equal(await runTraceCommand(command, configuration, output, NEVER), 0)
  t.same(text().match(/CSeq \d/g), ['CSeq 1', 'CSeq 2', 'CSeq 3'])
  t.equal(text().match(/tonewall/g)?.length, 1)
})

t.test('what cannot be shown is said, with what to do', async (t) => {
  const command = { kind: 'trace', configurationFile: '', call: 'unknown', json: false, follow: false } as const
  const run = async (configuration: Parameters<typeof runTraceCommand>[1]): Promise<string> => {
    const { output, text } = collected()
    t.equal(await runTraceCommand(command, configuration, output, NEVER), 1)
    return text()
  }
  const configuration = await sbc(t)
  t.match(await run(configuration), 'Nobody knows this call')
  t.match(await run(await sbc(t, { withSipd: false })), 'No embedded sipd is connected')
  t.match(await run({ ...configuration, sip: { server: 'drachtio' } }), 'A trace needs the embedded sipd')
  t.match(await run(configurationFor(await freePort())), 'No sbc answers at 127.0.0.1')
  t.match(
    await run({ ...configuration, certificates: { folder: t.testdir(), development: true, revoked: null } }),
    "operator's certificate cannot be read",
  )
})
