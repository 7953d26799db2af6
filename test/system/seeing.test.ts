import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runCallsCommand, type CommandOutput } from '../../src/main/calls-command.ts'
import { runTraceCommand } from '../../src/main/trace-command.ts'
import type { CallRecord } from '../../src/sbc/call-record.ts'
import type { CallTrace, LiveCall } from '../../src/wire/operator-protocol.ts'
import { needlesOf, searchBytes } from '../fakes/canary-search.ts'
import { askedMetrics } from '../fakes/deployed-metrics.ts'
import { eventually } from '../fakes/eventually.ts'
import { SiteLine } from '../fakes/site-line.ts'
import { Site } from '../fakes/site.ts'

const CANARY = '4263982640269299'
const TEST_MS_MAX = 60_000

t.setTimeout(TEST_MS_MAX)

function collected(): { readonly output: CommandOutput; readonly text: () => string } {
  let text = ''
  return {
    output: { say: (line) => (text += `${line}\n`), write: (more) => (text += more), isTerminal: false },
    text: () => text,
  }
}

/** What each process says at its metrics port. */
function metricsOf(site: Site): readonly Promise<string>[] {
  const { metrics, guards } = site.configuration
  return [...Object.values(metrics.ports), ...guards.map(({ metricsPort }) => metricsPort)].map(async (port) =>
    (await fetch(`http://${metrics.host}:${port}/metrics`, { signal: AbortSignal.timeout(3_000) })).text(),
  )
}

t.test('a call with a window is seen in every way, and no key is in any', { timeout: TEST_MS_MAX }, async (t) => {
  const homer = createSocket('udp4')
  const captured: Buffer[] = []
  homer.on('message', (bytes) => captured.push(bytes))
  homer.bind(0, '127.0.0.1')
  await once(homer, 'listening')
  t.teardown(() => homer.close())
  const records = join(t.testdir(), 'calls')
  const site = await Site.start({
    say: (line) => t.comment(line),
    guards: 1,
    coolDownMs: 500,
    change: (written) => ({
      ...written,
      homer: { host: '127.0.0.1', port: homer.address().port },
      callRecords: records,
    }),
  })
  t.teardown(() => site.close())
  const never = new AbortController().signal
  const command = { configurationFile: '', json: true, watch: false, follow: false } as const
  const calls = async (): Promise<readonly LiveCall[]> => {
    const { output, text } = collected()
    t.equal(await runCallsCommand({ ...command, kind: 'calls' }, site.configuration, output, never), 0)
    return JSON.parse(text()) as readonly LiveCall[]
  }
  t.same(await calls(), [])
  const line = await SiteLine.open(site, { line: 0 })
  t.teardown(() => line.close())
  await site.untilTested()
  await line.call()
  await line.openWindow()
  const [call] = await calls()
  t.match(call, {
    state: 'talking',
    direction: 'inbound',
    payerTrunk: 'carrier',
    agentTrunk: 'line-a',
    window: 'capturing',
    rtpengine: 'media-1',
    payerCodec: 'PCMU',
    agentCodec: 'PCMU',
  })
  await line.press(CANARY, 'info')
  await line.payer.hangup()
  await eventually(() => readdirSync(records).length > 0)
  t.same(await calls(), [])

  const ladder = collected()
  const traced = { ...command, kind: 'trace', call: call?.callId ?? '' } as const
  t.equal(await runTraceCommand({ ...traced, json: false }, site.configuration, ladder.output, never), 0)
  for (const line of ladder.text().split('\n')) t.comment(line)
  for (const seen of [/INVITE -+>\|/, /200 OK/, /window capturing/, /window closed: call_ended/, /INFO/, /BYE/])
    t.match(ladder.text(), seen)
  t.match(ladder.text(), /SDP audio PCMU telephone-event at 127\.0\.0\.\d:\d+ RTP\/AVP sendrecv/)
  t.match(ladder.text(), /x-tonewall-left-out: body/)
  const json = collected()
  t.equal(await runTraceCommand(traced, site.configuration, json.output, never), 0)
  const trace = JSON.parse(json.text()) as CallTrace
  t.equal(trace.isEnded, true)
  t.ok(trace.messages.filter(({ text }) => text.startsWith('INFO ')).length >= CANARY.length)
  const byLeg = collected()
  const leg = { ...traced, json: false, call: trace.agentSipCallIds[0] ?? '' }
  t.equal(await runTraceCommand(leg, site.configuration, byLeg.output, never), 0)
  t.equal(byLeg.text(), ladder.text(), 'either leg names the call')
  const unknown = collected()
  t.equal(await runTraceCommand({ ...traced, call: 'nobody' }, site.configuration, unknown.output, never), 1)
  t.match(unknown.text(), 'Nobody knows this call')

  const [file = ''] = readdirSync(records)
  const written = readFileSync(join(records, file), 'utf8')
  t.match(JSON.parse(written) as CallRecord, {
    callId: call?.callId,
    status: 200,
    endedBy: 'payer',
    reason: 'party_hung_up',
    rtpengine: 'media-1',
    codecs: { payer: 'PCMU', agent: 'PCMU' },
    attempts: [{ trunk: 'line-a', status: 200 }],
    windows: [{ outcome: 'call_ended' }],
  })
  const { media } = JSON.parse(written) as CallRecord
  t.ok((media?.payer.packets ?? 0) > 50 && (media?.agent.packets ?? 0) > 50, 'packets of both legs were counted')
  await eventually(() => captured.length >= trace.messages.length)

  const exposed = (await Promise.all(metricsOf(site))).join('\n')
  for (const name of askedMetrics())
    t.match(exposed, new RegExp(`^# TYPE ${name} `, 'm'), `${name} of the dashboard and the alerts is exposed`)
  t.match(exposed, /^tonewall_sbc_calls_total\{direction="inbound",outcome="answered",role="sbc"\} 1$/m)

  const needles = needlesOf(CANARY)
  for (const text of [ladder.text(), json.text(), written, Buffer.concat(captured).toString('latin1')]) {
    t.same(searchBytes(Buffer.from(text, 'latin1'), needles), [])
    t.notMatch(text, /Signal\s*=/i)
  }
})
