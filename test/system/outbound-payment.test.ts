import { readFileSync } from 'node:fs'
import t from 'tap'
import { DeskClient } from '../../src/demo/desk-client.ts'
import { fieldKeys } from '../../src/demo/field-keys.ts'
import { spawnPhone } from '../../src/demo/phone-client.ts'
import { startSipSite, UDP_NUMBER } from '../fakes/sip-site.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 90_000
const EVENT_MS_MAX = 12_000
const PAYER = '15550199'

t.test('an agent calls a customer, who is the one that types', { timeout: FILE_MS_MAX }, async (t) => {
  const site = await startSipSite(t)
  const { host, port, agents } = site.configuration.desk
  const token = readFileSync(agents.find(({ role }) => role === 'all')?.tokenFile ?? '', 'utf8').split('\n')[0] ?? ''
  const desk = new DeskClient({ address: `http://${host}:${port}`, token })
  const customer = await spawnPhone({
    name: PAYER,
    address: site.carrier.host,
    sipPort: site.carrier.port,
    codecs: ['PCMU'],
    speech: { voice: 'payer', seed: 1 },
    answer: { kind: 'answer', afterMs: 50, earlyMedia: false },
  })
  const agent = await spawnPhone({
    name: 'agent-7',
    address: site.agent.host,
    codecs: ['PCMU'],
    speech: { voice: 'agent', seed: 2 },
  })
  t.teardown(() => Promise.all([customer.close(), agent.close()]))
  const call = await agent.call({ to: `sip:${UDP_NUMBER}@${site.sip.host}:${site.sip.port}` })
  if (call.kind !== 'answered') return void t.fail('not answered')
  const callId = await desk.findCall(call.callId, { deadlineMs: EVENT_MS_MAX })
  await desk.openWindow(callId, { form: 'card', masking: 'hard' })
  for (const [index, keys] of fieldKeys(new Date()).entries()) {
    await customer.press({ keys, transport: 'events', onMs: 60, offMs: 60 })
    await desk.until(callId, ({ fields }) => fields[index]?.state === 'accepted', { deadlineMs: EVENT_MS_MAX })
  }
  const paid = await desk.until(callId, (now) => now.token !== null, { deadlineMs: EVENT_MS_MAX })
  t.match(paid, { failure: null, lastFour: '1111' })
  await desk.until(callId, ({ state }) => state === 'closed', { deadlineMs: EVENT_MS_MAX })
  await agent.hangup()
  const heard = await agent.report()
  t.ok(heard.received.length > 100)
  t.equal(heard.received.filter(({ payloadType }) => payloadType === 101).length, 0, 'the agent got no key event')
})
