import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { DeskClient } from '../../src/demo/desk-client.ts'
import { spawnPhone } from '../../src/demo/phone-client.ts'
import { startSupervisor } from '../../src/main/supervisor.ts'
import { needlesOf, searchBytes, searchFolder, searchMemory } from '../fakes/canary-search.ts'
import { freePort } from '../fakes/free-port.ts'
import { writeTestConfiguration } from '../fakes/test-configuration.ts'

/** A public test number whose runs of six digits do not occur by chance, and a code. */
const CANARY = '4263982640269299'
const CANARY_CODE = '837'
const OUTSIDE_THE_CDE = ['sipd', 'sbc', 'desk', 'media-1']
const DEADLINE_MS = 10_000
/** Most of it is searching memory. */
const TEST_MS_MAX = 120_000

t.setTimeout(2 * TEST_MS_MAX)

t.test('the search finds a canary in each of its disguises', (t) => {
  const needles = needlesOf(CANARY, { forMemory: false })
  for (const disguise of [
    Buffer.from(`x${CANARY}x`),
    Buffer.from(CANARY, 'utf16le'),
    Buffer.from(Array.from(CANARY, Number)),
    Buffer.from(CANARY, 'hex'),
    Buffer.from(Buffer.from(`a${CANARY}`).toString('hex')),
    Buffer.from(Buffer.from(`"pan":"${CANARY}"`).toString('base64')),
    Buffer.from(CANARY.slice(5, 11)),
  ]) {
    t.ok(searchBytes(disguise, needles).length > 0)
  }
  t.same(searchBytes(Buffer.from('2026-11-22T02:00:00Z 15550100 token 9299'), needles), [])
  t.end()
})

for (const transport of ['both', 'info'] as const) {
  t.test(
    `a canary card keyed by ${transport} is found nowhere outside the CDE`,
    { timeout: TEST_MS_MAX },
    async (t) => {
      const folder = t.testdir()
      const agentPort = await freePort()
      const { file, configuration } = await writeTestConfiguration({
        folder,
        contactCentre: { host: '127.0.0.3', port: agentPort },
      })
      const said: string[] = []
      const started = await startSupervisor({ configurationFile: file, say: (line) => said.push(line) })
      if (started.kind === 'refused') throw new Error(started.texts.join('\n'))
      const { supervisor } = started
      const agent = await spawnPhone({
        name: 'agent',
        address: '127.0.0.3',
        sipPort: agentPort,
        codecs: ['PCMU'],
        answer: { kind: 'answer', afterMs: 50, earlyMedia: false },
      })
      const payer = await spawnPhone({ name: '15550100', address: '127.0.0.2', codecs: ['PCMU'] })
      t.teardown(async () => {
        await Promise.all([payer.close(), agent.close()])
        await supervisor.close()
      })
      const supervisorToken = configuration.desk.agents.find((candidate) => candidate.role === 'all')?.tokenFile ?? ''
      const address = `http://${configuration.desk.host}:${configuration.desk.port}`
      const token = readFileSync(supervisorToken, 'utf8').split('\n')[0] ?? ''
      const desk = new DeskClient({ address, token })
      const [sip] = configuration.sip.udp
      const call = await payer.call({ to: `sip:1000@127.0.0.1:${sip?.port ?? 0}` })
      t.match(call, { kind: 'answered' })
      const callId = await desk.findCall(call.kind === 'answered' ? call.callId : '', { deadlineMs: DEADLINE_MS })
      const events = new AbortController()
      const streamed = readStream(`${address}/api/v1/events`, token, events.signal)
      await desk.openWindow(callId, { form: 'card', masking: 'talk-through' })
      await delay(300)

      await payer.press({ keys: `${CANARY}#`, transport, onMs: 60, offMs: 60 })
      await desk.until(callId, ({ fields }) => fields[0]?.state === 'accepted', { deadlineMs: DEADLINE_MS })
      const memoryNeedles = needlesOf(CANARY, { forMemory: true })
      for (const name of OUTSIDE_THE_CDE) {
        t.same(
          searchMemory(supervisor.pidOf(name) ?? 0, memoryNeedles),
          [],
          `in the memory of ${name}, inside the window`,
        )
      }
      await payer.press({ keys: `1230${CANARY_CODE}`, transport, onMs: 60, offMs: 60 })
      const payment = await desk.until(callId, ({ token: given, failure }) => given !== null || failure !== null, {
        deadlineMs: DEADLINE_MS,
      })
      t.match(payment.token, /^tok_[a-z]{20}\d_9299$/)
      await desk.until(callId, ({ state }) => state === 'closed', { deadlineMs: DEADLINE_MS })

      const needles = needlesOf(CANARY, { forMemory: false })
      const metricPorts = [
        ...Object.values(configuration.metrics.ports),
        ...configuration.guards.map(({ metricsPort }) => metricsPort),
      ]
      for (const port of metricPorts) {
        const text = await (await fetch(`http://${configuration.metrics.host}:${port}/metrics`)).text()
        t.ok(text.includes('# HELP'), `metrics at ${port} are there`)
        t.same(searchBytes(Buffer.from(text), needles), [], `in the metrics at ${port}`)
      }
      await payer.hangup()
      const heard = await agent.report()
      t.ok(heard.sipReceived.length > 0)
      t.same(searchBytes(Buffer.from(heard.sipReceived.join('\n')), needles), [], "in the agent's SIP")
      t.same(heard.infosReceived, [], 'no INFO reached the agent')
      const rtp = Buffer.concat(heard.received.map(({ payload }) => payload))
      t.ok(rtp.length > 0)
      t.same(searchBytes(rtp, needles), [], "in the agent's RTP payloads")
      events.abort()
      const stream = await streamed
      t.ok(stream.includes('"capturing"'), 'the stream told of the window')
      t.same(searchBytes(Buffer.from(stream), needles), [], "in the agent's events")
      t.same(searchBytes(Buffer.from(said.join('\n')), needles), [], 'in what the supervisor said')
      for (const name of OUTSIDE_THE_CDE) {
        t.same(
          searchMemory(supervisor.pidOf(name) ?? 0, memoryNeedles),
          [],
          `in the memory of ${name}, after the window`,
        )
      }
      await supervisor.close()
      t.same(searchFolder(join(folder, 'run'), needles), [], 'in any file that was written')
    },
  )
}

async function readStream(url: string, token: string, signal: AbortSignal): Promise<string> {
  let text = ''
  try {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` }, signal })
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk as Uint8Array, { stream: true })
  } catch {
    // The reader was told to end.
  }
  return text
}
