import t from 'tap'
import type { KeyTransport } from '../../src/demo/phone/phone-protocol.ts'
import { DeskEvents } from '../fakes/desk-events.ts'
import { hardCall, timedKeys, type HardCall, type HardCallPlan, type TimedKey } from '../fakes/hard-call.ts'
import { randomizationTest, type Labelled } from '../fakes/randomization-test.ts'
import { seededRandom } from '../fakes/seeded-random.ts'
import { expiryKeys, SiteLine } from '../fakes/site-line.ts'
import { Site } from '../fakes/site.ts'

const TRANSPORTS: readonly KeyTransport[] = ['inband', 'events', 'both', 'info']
/** Two public test cards of one brand and one length; then expiry and code. */
const CARDS = ['4263982640269299', '4111111111111111'] as const
const CODES = ['837', '460'] as const
/** Of both cards together; a quiet machine needs two. */
const CALLS_MAX = 8
const COOL_DOWN_MS = 600
/** One in a thousand runs calls a difference that is none. */
const ALPHA = 0.001
const DEALS = 20_000
const TIMED_KEYS = 180
/** What the timing test must be able to see. */
const INJECTED_MS = 2
const FILE_MS_MAX = 115_000

t.setTimeout(FILE_MS_MAX)

t.test('whole calls that differ in digits alone leave the same on the side of the agent', async (t) => {
  t.setTimeout(FILE_MS_MAX)
  const site = await Site.start({
    lines: TRANSPORTS.length,
    guards: 1,
    coolDownMs: COOL_DOWN_MS,
    say: (line) => t.comment(line),
  })
  const events = new DeskEvents({ address: site.deskAddress, token: site.token })
  const lines: SiteLine[] = []
  t.teardown(async () => {
    events.close()
    await Promise.all(lines.map((line) => line.close()))
    await site.close()
  })
  for (const line of TRANSPORTS.keys()) lines.push(await SiteLine.open(site, { line }))
  const runs = await Promise.all(
    lines.map(async (line, index) => {
      const transport = TRANSPORTS[index] ?? 'both'
      return { transport, calls: await comparedCalls({ site, line, events, transport }) }
    }),
  )
  for (const { transport, calls } of runs) {
    t.test(transport, (t) => {
      const [first] = calls
      if (first === undefined) throw new Error('no call')
      t.ok(first.rtp.length > 23 && first.rtp.every((rows) => rows.length > 0))
      t.comment(`${calls.length} calls`)
      t.same(unlikeKeys(calls), [], 'RTP: steps of sequence and timestamp, sizes, types and markers, key by key')
      for (const { card, rtcp, sip, infos, told, noise, heard, token } of calls) {
        t.same(rtcp, first.rtcp, 'RTCP')
        t.same(sip, first.sip, 'SIP')
        t.ok(sip.length > 2)
        t.equal(infos, 0, 'no INFO')
        t.same(told, first.told, 'what the desk tells')
        t.ok(noise.repeated > 20_000, 'the audio of the keys is there')
        t.equal(noise.other, 0, 'and every sample of it was known before the first key')
        t.ok(heard.same > 100, 'the payer hears the agent throughout')
        t.equal(heard.other, 0, 'as the agent spoke')
        t.ok(heard.missing <= 2, 'but for a packet that a busy machine lost')
        t.equal(token?.slice(-4), CARDS[card]?.slice(-4), 'the control: the keys arrived')
      }
      t.end()
    })
  }

  const [, , both] = lines
  if (both === undefined) throw new Error('four lines')
  await t.test('packet timing tells no digit from another', { timeout: FILE_MS_MAX }, async (t) => {
    const random = seededRandom(2_026)
    // Chance decides which key comes when, so whatever else the machine does cannot depend on it.
    const keys = Array.from({ length: TIMED_KEYS }, () => String(random.below(10))).join('')
    const timed = await timedKeys({ site, line: both, keys, transport: 'both' })
    const delays = labelled(timed, () => 0)
    t.ok(delays.length > TIMED_KEYS * 0.9, 'nearly all keys were timed')
    const chance = randomizationTest(delays, { deals: DEALS, random })
    t.comment(JSON.stringify({ chance, keys: delays.length, medianMs: median(delays.map(({ value }) => value)) }))
    t.ok(chance > ALPHA, 'digits are no better than chance at telling delays apart')
    const late = labelled(timed, (key) => (Number(key) >= 5 ? INJECTED_MS : 0))
    t.ok(randomizationTest(late, { deals: DEALS, random }) <= ALPHA, 'the control: 2 ms on five digits are seen')
  })
})

type ComparedCall = HardCall & { readonly card: number }

/**
 * Calls with either card, in turn, until each key was the same to the agent in two of them. Where rtpengine's threads or
 * the machine change the order of an event and the audio beside it, a sequence number stays unused, whatever the
 * digit is: what is asked is whether both digits can lead to one and the same packets.
 */
async function comparedCalls(
  on: Pick<HardCallPlan, 'site' | 'line' | 'events' | 'transport'>,
): Promise<readonly ComparedCall[]> {
  const calls: ComparedCall[] = []
  for (let tries = 0; tries < CALLS_MAX; tries += 1) {
    const card = tries % CARDS.length
    const keys = `${CARDS[card] ?? ''}${expiryKeys(new Date())}${CODES[card] ?? ''}`
    calls.push({ card, ...(await hardCall({ ...on, keys })) })
    if (tries > 0 && unlikeKeys(calls).length === 0) break
  }
  return calls
}

/** The keys for which no call with one card is the same, to and from the guard, as one with the other; with what the agent got. */
function unlikeKeys(calls: readonly ComparedCall[]): readonly (readonly string[])[] {
  const keys = calls[0]?.rtp.length ?? 0
  return Array.from({ length: keys }, (_, key) => key).flatMap((key) => {
    const isPair = (one: ComparedCall, other: ComparedCall) =>
      one.card !== other.card && one.sent[key] === other.sent[key] && one.rtp[key] === other.rtp[key]
    return calls.some((one) => calls.some((other) => isPair(one, other)))
      ? []
      : [calls.map(({ card, rtp }) => `key ${key} of card ${card}: ${rtp[key] ?? ''}`)]
  })
}

/** The median delay of each key's packets, with so much added. */
function labelled(timed: readonly TimedKey[], addedMs: (key: string) => number): readonly Labelled[] {
  return timed
    .filter(({ delaysMs }) => delaysMs.length > 0)
    .map(({ key, delaysMs }) => ({ label: key, value: median(delaysMs) + addedMs(key) }))
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
