import t from 'tap'
import { judgeCall } from '../../src/demo/call-judgement.ts'
import { spawnPhone } from '../../src/demo/phone-client.ts'
import type { PhoneReport } from '../../src/demo/phone/phone-protocol.ts'

const KEYS = '41#'
const DEADLINE = { deadlineMs: 10_000 }

/** A direct call with keys of two transports, and speech before and after. */
async function directCall(): Promise<{ readonly payer: PhoneReport; readonly agent: PhoneReport }> {
  const payer = await spawnPhone({ name: 'payer', address: '127.0.0.2', speech: { voice: 'payer', seed: 9 } })
  const agent = await spawnPhone({ name: 'agent', address: '127.0.0.3' })
  t.teardown(() => Promise.all([payer.close(), agent.close()]))
  await payer.call({ to: agent.uri })
  await payer.speak(false)
  await payer.press({ keys: KEYS, transport: 'events' })
  await payer.speak(true)
  await payer.press({ keys: KEYS, transport: 'inband' })
  await payer.hangup()
  await agent.until('ended', DEADLINE)
  return { payer: await payer.report(), agent: await agent.report() }
}

t.test('a direct call gives everything away, and a side that heard nothing gives nothing', async (t) => {
  const call = await directCall()
  const first = call.payer.keys[0]?.atUs ?? 0
  const windows = [{ openUs: first, closeUs: first + 600_000 }]
  const judged = await judgeCall({ ...call, windows })
  t.match(judged, {
    kind: 'judged',
    keyed: 6,
    controlHolds: true,
    payer: { recovered: { events: 3, multimon: 6, matchedFilter: 6 } },
    agent: { recovered: { events: 3, multimon: 6, matchedFilter: 6 } },
    lostAtOpen: 0,
    lostAtClose: 0,
  })
  const deaf = await judgeCall({
    payer: call.payer,
    agent: { ...call.agent, received: [], infosReceived: [] },
    windows,
  })
  t.match(deaf, {
    controlHolds: true,
    agent: { recovered: { events: 0, multimon: 0, matchedFilter: 0 } },
    delayMs: { clear: undefined },
  })
  const mute = await judgeCall({ payer: { ...call.payer, sent: [] }, agent: call.agent, windows })
  t.match(mute, { controlHolds: false })
})

t.test('without multimon-ng nothing is judged', async (t) => {
  const path = process.env['PATH']
  process.env['PATH'] = ''
  t.teardown(() => {
    process.env['PATH'] = path
  })
  const nothing: PhoneReport = {
    name: 'x',
    sent: [],
    received: [],
    rtcpReceived: [],
    notRtp: 0,
    keys: [],
    infosSent: [],
    infosReceived: [],
    events: [],
    sipReceived: [],
    sipSent: [],
    truncated: false,
  }
  const judged = await judgeCall({ payer: nothing, agent: nothing, windows: [] })
  t.match(judged, { kind: 'unavailable', code: 'multimon_missing', package: 'multimon-ng' })
})
