import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { loadConfiguration } from '../../src/main/configuration.ts'
import { makeReport } from '../../src/main/trunk-check-report.ts'
import { pressLine, summaryLines } from '../../src/main/trunk-check-text.ts'
import type { CallFigures, PressFigures } from '../../src/wire/trunk-check-protocol.ts'
import { FACTS, FIGURES, PRESS } from '../fakes/trunk-check-samples.ts'

function report(
  presses: readonly PressFigures[],
  options: { readonly figures?: CallFigures; readonly events?: readonly number[] } = {},
) {
  return makeReport({
    version: '0.0.0',
    at: new Date(0),
    trunk: 'carrier',
    direction: 'placed',
    ended: 'keys',
    durationMs: 9_000,
    facts: { ...FACTS, far: { ...FACTS.far, events: options.events ?? FACTS.far.events } },
    figures: options.figures ?? FIGURES,
    presses,
  })
}

const { event, tone, info } = PRESS
if (event === null || tone === null || info === null) throw new Error('the sample has all parts')
const BOTH: PressFigures = { ...PRESS, info: null }
const EVENT: PressFigures = { ...PRESS, tone: null, info: null }
const TONE: PressFigures = { ...PRESS, event: null, info: null, tone: { ...tone, leadMs: null, eventLagMs: null } }
const INFO: PressFigures = { ...PRESS, event: null, tone: null, info: { ...info, lagMs: null } }
const codes = (made: ReturnType<typeof report>) => made.findings.map(({ code }) => code)
const setting = (made: ReturnType<typeof report>, key: string) => made.settings.find((one) => one.key === key)

t.test('each way to send keys has its finding, in plain words', (t) => {
  t.same(codes(report([EVENT, EVENT])), ['events_only'])
  t.same(codes(report([TONE])), ['tone_only'])
  t.same(codes(report([TONE], { events: [] })), ['tone_only', 'no_events_named'])
  t.same(codes(report([INFO, INFO])), ['info'])
  t.same(codes(report([{ ...EVENT, info }])), ['events_only', 'info'])
  t.same(codes(report([EVENT, TONE])), ['mixed_transports'])
  t.match(report([TONE, INFO]).findings.at(-1)?.text, /1 of 2 presses came by SIP INFO alone/)
  t.same(codes(report([{ ...EVENT, doubled: true }])), ['events_only', 'doubled'])
  const both = report([BOTH, { ...BOTH, tone: { ...tone, leadMs: 31 } }, EVENT])
  t.same(codes(both), ['events_and_tone', 'tone_sometimes'])
  t.match(both.findings[0]?.text, /tone AND events: 31 to 38 ms of each tone pass before the event/)
  t.end()
})

t.test('bad habits, levels and media are found, good ones are not', (t) => {
  const ill = report([
    {
      ...BOTH,
      event: { ...event, marker: false, endPackets: 0, restamped: 'end_packets', shrank: true, payloadType: 96 },
    },
  ])
  t.same(codes(ill), ['events_and_tone', 'restamped', 'no_marker', 'no_end', 'shrinking'])
  const faint = report([{ ...TONE, pauseMs: 20, tone: { ...tone, lowDbm0: -38, twistDb: 9, durationMs: 30 } }], {
    figures: { ...FIGURES, offsetPercent: { median: 2, worst: -2.4 } },
  })
  t.same(codes(faint), ['tone_only', 'level', 'twist', 'offset', 'short_tones', 'short_pauses'])
  t.match(setting(faint, 'masking'), { value: 'hard', isDefault: false, reason: /as faint as -38 dBm0/ })
  const { media } = FIGURES
  if (media === null) throw new Error('the sample has media')
  const bad = {
    ...media,
    lost: 9,
    lostPercent: 1.5,
    jitterMs: 44,
    duplicates: 1,
    reordered: 2,
    asDescribed: false,
    sources: 2,
    redundancy: true,
    otherPayloadTypes: [110],
    law: null,
  } as const
  const lossy = report([EVENT], {
    figures: { ...FIGURES, media: bad, rtcp: { packets: 1, roundTripMs: 400, farLostPercent: 3 } },
  })
  t.same(codes(lossy), [
    'events_only',
    'loss',
    'jitter',
    'duplicates',
    'reordered',
    'no_audio',
    'other_address',
    'sources',
    'redundancy',
    'other_payloads',
    'far_loss',
    'round_trip',
  ])
  const other = report([EVENT], { figures: { ...FIGURES, media: { ...media, eventPayloadTypes: [96] } } })
  t.match(other.findings, [{}, { code: 'payload_type', text: /on payload type 96; its SDP names 101/ }])
  t.end()
})

t.test('a call without keys or RTP says so and advises nothing', (t) => {
  t.match(report([]).findings, [{ code: 'no_keys', text: /RTP came, but no key/ }])
  const mute = report([], { figures: { ...FIGURES, media: null } })
  t.match(mute.findings, [{ code: 'no_keys', text: /No RTP came/ }])
  t.same([mute.settings, mute.yaml], [[], ''])
  t.match(summaryLines(mute).join('\n'), /RTP +none came/)
  t.end()
})

t.test('the look-ahead reaches back over the latest event, and the cool-down over the latest INFO', (t) => {
  const late = (eventLagMs: number) => report([{ ...BOTH, tone: { ...tone, eventLagMs } }])
  t.match(setting(late(20), 'lookAheadMs'), { value: 30, isDefault: true })
  t.match(setting(late(63), 'lookAheadMs'), { value: 80, isDefault: false })
  t.match(setting(late(63), 'masking'), { value: 'talk-through' })
  t.match(setting(late(300), 'masking'), { value: 'hard', reason: /later than any look-ahead/ })
  t.match(setting(report([{ ...EVENT, info: { ...info, lagMs: 1_700 } }]), 'coolDownMs'), { value: 4_000 })
  t.end()
})

t.test('what is to be pasted fits the configuration that ships', (t) => {
  const folder = t.testdir()
  const made = report([
    { ...BOTH, tone: { ...tone, eventLagMs: 63 } },
    { ...INFO, info: { ...info, lagMs: 1_700 } },
  ])
  type Named = { readonly name: string } & Readonly<Record<string, unknown>>
  const pasted = parse(made.yaml) as { readonly trunks: readonly Named[]; readonly forms: readonly Named[] }
  const shipped = join(import.meta.dirname, '../../sbc-config/tonewall.yaml')
  const site = parse(readFileSync(shipped, 'utf8')) as Record<'trunks' | 'forms', Named[]>
  for (const list of ['trunks', 'forms'] as const) {
    for (const entry of pasted[list]) {
      const at = site[list].findIndex(({ name }) => name === entry.name)
      t.ok(at >= 0, entry.name)
      site[list][at] = { ...site[list][at], ...entry }
    }
  }
  const file = join(folder, 'site.json')
  // JSON is YAML; certificates and data count from the file's folder, and are made when missing.
  writeFileSync(file, JSON.stringify(site))
  const loaded = loadConfiguration(file)
  if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems))
  t.match(loaded.configuration.trunks[0], { lookAheadMs: 80, masking: 'talk-through' })
  t.match(loaded.configuration.forms[0], { coolDownMs: 4_000 })
  t.end()
})

t.test('a press and the summary read as a telecom engineer speaks', (t) => {
  t.equal(
    pressLine(BOTH, 12),
    'press 5 of 12: event + tone, lead 38 ms, 42 ms of tone, -9 dBm0, twist +2 dB, event 100 ms on 101, 3 end packets',
  )
  t.match(pressLine(TONE, 12), /^press 5 of 12: tone, 42 ms, -9 dBm0, twist \+2 dB$/)
  t.match(pressLine(INFO, 12), /: INFO, application\/dtmf-relay$/)
  t.match(pressLine({ ...PRESS, doubled: true }, 12), /INFO after 160 ms, reported twice$/)
  const text = summaryLines(report([BOTH])).join('\n')
  for (const part of [
    /answered after 2300 ms/,
    /PCMA, 20 ms a packet/,
    /round trip 24.5 ms/,
    /marker on 1 of 1/,
    /lookAheadMs: 50/,
  ])
    t.match(text, part)
  t.end()
})
