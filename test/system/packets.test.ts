import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { freePort } from '../fakes/free-port.ts'
import { decode, PacketFile } from '../fakes/packet-file.ts'
import { RawPhone } from '../fakes/raw-phone.ts'
import { CARD_KEYS, CODE_KEYS, expiryKeys, FORM_KEYS } from '../fakes/site-line.ts'
import { PAYER_ADDRESS, Site } from '../fakes/site.ts'
import { TappedMedia } from '../fakes/tapped-media.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 120_000
const STATE_MS = 15_000
const SHOWN_MS = 5_000
const TALK_MS = 600
const NUMBER = '18005550100'
/** The one packet in flight when the guard comes or goes, and what an overloaded machine adds. */
const LOST_MAX = 6

/** From a note upwards; what has no more than a comment or its method is in order. */
const FAULTS = '(_ws.malformed || _ws.expert.severity >= 0x400000)'
const FAULT_FIELDS = ['frame.number', 'frame.protocols', '_ws.expert.message']

t.test('tshark names what is wrong with packets that are', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-packets-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [from, to] = [
    { host: '127.0.0.1', port: 17_000 },
    { host: '127.0.0.2', port: 18_000 },
  ]
  const tap = new PacketFile()
  const message = (lines: readonly string[]) => Buffer.from([...lines, '', ''].join('\r\n'))
  const good = ['SIP/2.0 200 OK', 'Via: SIP/2.0/UDP a;branch=z9hG4bKx', 'From: <sip:a@b>;tag=1', 'To: <sip:c@d>;tag=2']
  tap.add(message([...good, 'Call-ID: x', 'CSeq: 1 OPTIONS', 'Content-Length: 0']), { from, to })
  tap.add(message([...good, 'Call-ID: x', 'CSeq: 1 OPTIONS', 'Content-Length: x']), { from, to })
  tap.add(message([...good, 'Call-ID: x', 'CSeq: 1 OPTIONS', 'Bogus']), { from, to })
  const file = join(folder, 'bad.pcap')
  tap.write(file)
  const found = await decode(file, { filter: FAULTS, fields: FAULT_FIELDS, sipPort: from.port })
  t.same(
    found.map(([frame, protocols]) => [frame, protocols]),
    [
      ['2', 'raw:ip:udp:sip'],
      ['3', 'raw:ip:udp:sip'],
    ],
  )
})

t.test('tshark finds nothing wrong with what Tonewall sends', { timeout: FILE_MS_MAX }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-packets-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const site = await Site.start({ say: (line) => t.comment(line), lines: 2, guards: 1, coolDownMs: 500 })
  t.teardown(() => site.close())
  await site.untilTested()
  const [sip] = site.configuration.sip.udp
  const [agentLine, targetLine] = site.agents
  if (sip === undefined || agentLine === undefined || targetLine === undefined) throw new Error('no lines')
  const tap = new PacketFile()
  const phone = async (local: { readonly host: string; readonly port: number }) => {
    const media = await TappedMedia.open(local.host, tap)
    const sipPhone = await RawPhone.open(local, sip, { audioPort: media.rtp.port, tap })
    t.teardown(() => {
      media.close()
      sipPhone.close()
    })
    return { sip: sipPhone, media }
  }
  const payer = await phone({ host: PAYER_ADDRESS, port: await freePort() })
  const agent = await phone(agentLine)
  const target = await phone(targetLine)

  const [payerLeg, agentLeg] = await Promise.all([payer.sip.calls(NUMBER), agent.sip.isCalled()])
  payer.media.talk(payerLeg.sdp)
  agent.media.talk(agentLeg.sdp)
  const id = await site.desk.findCall(payerLeg.callId, { deadlineMs: SHOWN_MS })
  await delay(TALK_MS)
  await site.desk.openWindow(id, { form: 'card', masking: 'talk-through' })
  await payer.media.press(CARD_KEYS + expiryKeys(new Date()) + CODE_KEYS)
  const isOver = { deadlineMs: STATE_MS }
  const paid = await site.desk.until(id, ({ token, failure }) => token !== null || failure !== null, isOver)
  t.match(paid, { token: /^[a-zA-Z]/, failure: null })
  await site.desk.until(id, ({ state }) => state === 'closed', isOver)
  await delay(TALK_MS)
  for (const [asked, seen, answered] of [
    ['sendonly', 'sendonly', 'recvonly'],
    ['sendrecv', 'sendrecv', 'sendrecv'],
  ] as const) {
    const [answer, offer] = await Promise.all([
      agent.sip.offers(agentLeg, asked),
      payer.sip.isOffered(payerLeg, answered),
    ])
    t.match(answer, /^SIP\/2\.0 200/)
    t.match(offer, `a=${seen}`)
  }
  await delay(TALK_MS)
  const referTo = `Refer-To: <sip:18005550101@${targetLine.host}>`
  const [accepted, targetLeg] = await Promise.all([agent.sip.asks('REFER', agentLeg, referTo), target.sip.isCalled()])
  t.match(accepted, /^SIP\/2\.0 202/)
  target.media.talk(targetLeg.sdp)
  await agent.sip.hears((message) => /^NOTIFY[^]*SIP\/2\.0 200/.test(message))
  t.match(await agent.sip.asks('BYE', agentLeg), /^SIP\/2\.0 200/)
  agent.media.stop()
  await delay(TALK_MS)
  t.match(await payer.sip.asks('BYE', payerLeg), /^SIP\/2\.0 200/)
  await target.sip.hears((message) => message.startsWith('BYE '))

  for (const { media } of [payer, agent, target]) media.stop()
  const file = join(folder, 'call.pcap')
  const { count } = tap
  tap.write(file)
  const sipPort = sip.port
  const read = (filter: string, fields: readonly string[]) => decode(file, { filter, fields, sipPort })
  const ours = 'ip.src == 127.0.0.1'
  const kinds = await read('', ['frame.protocols', 'sip.Method', 'sip.Status-Code'])
  t.equal(kinds.length, count)
  const counted = Object.groupBy(
    kinds,
    ([protocols]) => /:(sip|rtcp|rtp|rtpevent)\b/.exec(protocols ?? '')?.[1] ?? 'other',
  )
  t.same(counted['other'] ?? [], [], 'every packet is of a kind that it should be')
  t.ok((counted['rtcp'] ?? []).length > 5)
  const methods = new Set((counted['sip'] ?? []).map(([, method]) => method))
  for (const method of ['INVITE', 'ACK', 'REFER', 'NOTIFY', 'BYE']) t.ok(methods.has(method), method)
  t.same(
    await read(`${ours} && ${FAULTS}`, FAULT_FIELDS),
    [],
    'nothing of ours is malformed, or doubtful to its experts',
  )

  const heard = await read(`${ours} && rtp && udp.dstport == ${agent.media.rtp.port}`, [
    'rtp.ssrc',
    'rtp.p_type',
    'rtp.seq',
    'rtp.timestamp',
  ])
  t.same([...new Set(heard.map(([, type]) => type))], ['0'], 'the agent hears audio, and no event')
  const streams = Map.groupBy(heard, ([ssrc]) => ssrc)
  t.equal(streams.size, 2, 'the stream of the payer, and that of the guard')
  const [clear = [], guarded = []] = [...streams.values()].map(stepsOf)
  t.ok(guarded.length > FORM_KEYS && clear.length > FORM_KEYS)
  for (const steps of [clear, guarded]) {
    t.same(
      steps.filter(({ sequence }) => sequence < 1),
      [],
      'no sequence number twice or back',
    )
    t.same(
      steps.filter(({ time }) => time < 0),
      [],
      'no timestamp goes back',
    )
  }
  t.ok(lostIn(guarded) <= LOST_MAX, 'the guard leaves no hole where a key was')
  const window = clear.reduce((most, step) => (step.sequence > most.sequence ? step : most), { sequence: 1, time: 0 })
  t.ok(window.sequence > guarded.length, 'in the payer’s stream the window is a hole')
  t.ok(lostIn(clear.filter((step) => step !== window)) <= LOST_MAX, 'and there is no other')
})

type Step = { readonly sequence: number; readonly time: number }

/** How far sequence number and timestamp went from each packet to the next. */
function stepsOf(packets: readonly (readonly string[])[]): readonly Step[] {
  return packets.slice(1).map(([, , sequence, timestamp], index) => ({
    sequence: ((Number(sequence) - Number(packets[index]?.[2])) << 16) >> 16,
    time: (Number(timestamp) - Number(packets[index]?.[3])) | 0,
  }))
}

function lostIn(steps: readonly Step[]): number {
  return steps.reduce((sum, { sequence }) => sum + sequence - 1, 0)
}
