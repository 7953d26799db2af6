import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { HostPort } from '../../src/wire/configuration.ts'
import { bothSucceeded, startSipSite, TCP_NUMBER, UDP_NUMBER } from '../fakes/sip-site.ts'
import { startLines, type SippStep } from '../fakes/sipp.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 110_000

const CALLS = 50
const CALLS_EACH_SECOND = 10
const TALK_MS = 1_000
/** A packet each 20 ms, both directions; half of it may be lost to a busy machine. */
const PACKETS_MIN = (CALLS * 2 * TALK_MS) / 20 / 2
/** Later than the first repetition (T1, 500 ms), sooner than the third. */
const LATE_MS = '900'

const ANSWERING: readonly SippStep[] = ['is-called', 'rings', 'answers', 'is-hung-up']
const talk: SippStep = ['talks', { TALKMS: '100' }]

t.test('what calls must also stand, both sides sipp', { timeout: FILE_MS_MAX }, async (t) => {
  const site = await startSipSite(t)
  const carrier = { local: { host: site.carrier.host }, remote: { ...site.sip, number: UDP_NUMBER } }

  await t.test(`${CALLS} calls with media, ${CALLS_EACH_SECOND} each second, without a failure`, async (t) => {
    const file = join(t.testdir(), 'second.ulaw')
    writeFileSync(file, Buffer.alloc(8_000, 0x55))
    const results = await site.call(
      { local: site.agent, steps: ANSWERING, calls: CALLS, arguments: ['-rtp_echo'] },
      {
        ...carrier,
        calls: CALLS,
        callsEachSecond: CALLS_EACH_SECOND,
        steps: [
          ['calls', { PORT: '[rtpstream_audio_port]' }],
          'is-answered',
          ['plays', { FILE: file }],
          ['talks', { TALKMS: String(TALK_MS) }],
          'hangs-up',
        ],
      },
    )
    bothSucceeded(t, results)
    t.equal(count(startLines(results.callee.messages, 'received'), 'BYE'), CALLS)
    const [rtpengine] = site.configuration.rtpengines
    if (rtpengine === undefined) throw new Error('the test configuration has no rtpengine')
    const statistics = await rtpengineStatistics(rtpengine)
    t.comment(`${numberIn(statistics, 'relayedpackets')} packets`)
    t.ok(numberIn(statistics, 'relayedpackets') > PACKETS_MIN, 'the media of the calls passed through rtpengine')
    t.equal(numberIn(statistics, 'sessionstotal'), 0, 'rtpengine keeps nothing of a call that ended')
  })

  await t.test('an INVITE that is heard twice makes one call', async (t) => {
    const results = await site.call(
      { local: site.agent, steps: ANSWERING },
      { ...carrier, steps: ['calls-twice', 'is-answered', talk, 'hangs-up'] },
    )
    bothSucceeded(t, results)
    t.same(startLines(results.callee.messages, 'received'), ['INVITE', 'ACK', 'BYE'])
  })

  await t.test('over UDP, requests and answers that nobody confirms are sent again', async (t) => {
    const late = { LATEMS: LATE_MS }
    const results = await site.call(
      { local: site.agent, steps: [['is-called', late], 'rings', 'answers', 'is-hung-up'] },
      { ...carrier, steps: ['calls', ['is-answered', late], talk, 'hangs-up'] },
    )
    bothSucceeded(t, results)
    t.ok(count(startLines(results.callee.messages, 'received'), 'INVITE') >= 2, 'the INVITE to the agent')
    t.ok(
      count(startLines(results.caller.messages, 'received'), '200 OK') >= 3,
      'the 200 to the caller, and that of BYE',
    )
  })

  for (const [title, caller, callee] of [
    ['from TCP to UDP', 'tcp', 'udp'],
    ['from UDP to TCP', 'udp', 'tcp'],
    ['from TCP to TCP', 'tcp', 'tcp'],
  ] as const) {
    for (const ends of ['carrier', 'agent'] as const) {
      await t.test(`calls ${title}, ended by the ${ends}`, async (t) => {
        const number = callee === 'tcp' ? TCP_NUMBER : UDP_NUMBER
        const [carrierEnds, agentEnds]: readonly SippStep[] =
          ends === 'carrier' ? ['hangs-up', 'is-hung-up'] : ['is-hung-up', 'hangs-up']
        const results = await site.call(
          {
            local: callee === 'tcp' ? site.tcpAgent : site.agent,
            transport: callee,
            calls: 3,
            steps: ['is-called', 'rings', 'answers', ...(ends === 'agent' ? [talk] : []), agentEnds ?? ''],
          },
          {
            local: { host: site.carrier.host },
            remote: { ...site.sip, number },
            transport: caller,
            calls: 3,
            steps: ['calls', 'is-answered', ...(ends === 'carrier' ? [talk] : []), carrierEnds ?? ''],
          },
        )
        bothSucceeded(t, results)
      })
    }
  }
})

function count(lines: readonly string[], line: string): number {
  return lines.filter((candidate) => candidate === line).length
}

/** The bencoded answer to the ng command `statistics`. */
async function rtpengineStatistics(address: HostPort): Promise<string> {
  const socket = createSocket('udp4')
  try {
    const heard = once(socket, 'message', { signal: AbortSignal.timeout(2_000) })
    socket.send('1 d7:command10:statisticse', address.port, address.host)
    const [message] = (await heard) as [Buffer]
    return message.toString('latin1')
  } finally {
    socket.close()
  }
}

function numberIn(bencoded: string, name: string): number {
  return Number(new RegExp(`${name.length}:${name}i(\\d+)e`).exec(bencoded)?.[1] ?? Number.NaN)
}
