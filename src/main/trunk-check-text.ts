import type { PressFigures } from '../wire/trunk-check-protocol.ts'
import { range } from './trunk-check-findings.ts'
import type { TrunkCheckReport } from './trunk-check-report.ts'

/** `press 5 of 12: event + tone, lead 38 ms, ...`: what was seen of one press, never which key it was. */
export function pressLine(press: PressFigures, wanted: number): string {
  const { event, tone, info } = press
  const transports = [
    ...(event === null ? [] : ['event']),
    ...(tone === null ? [] : ['tone']),
    ...(info === null ? [] : ['INFO']),
  ]
  const parts = [transports.join(' + ')]
  if (tone !== null) {
    if (tone.leadMs === null) parts.push(`${tone.durationMs} ms`)
    else parts.push(`lead ${tone.leadMs} ms`, `${tone.durationMs} ms of tone`)
    parts.push(`${tone.lowDbm0} dBm0`, `twist ${signed(tone.twistDb)} dB`)
  }
  if (event !== null) {
    parts.push(`event ${event.durationMs} ms on ${event.payloadType}, ${event.endPackets} end packets`)
    if (!event.marker) parts.push('no marker')
    if (event.restamped !== 'none') parts.push('timestamps change')
  }
  if (info !== null) parts.push(info.lagMs === null ? info.contentType : `INFO after ${info.lagMs} ms`)
  if (press.doubled || (info?.count ?? 0) > 1) parts.push('reported twice')
  return `press ${press.number} of ${wanted}: ${parts.join(', ')}`
}

/** The summary for a terminal, one line an item. */
export function summaryLines(report: TrunkCheckReport): readonly string[] {
  const findings = report.findings.map(({ severity, text }) => `  ${severity === 'warning' ? '!' : '-'} ${text}`)
  return [
    '',
    ...callLines(report),
    ...mediaLines(report),
    ...keyLines(report),
    '',
    'Findings',
    ...(findings.length === 0 ? ['  - nothing out of the ordinary'] : findings),
    ...settingLines(report),
  ]
}

function callLines({ call }: TrunkCheckReport): readonly string[] {
  const { far } = call
  const ended = {
    keys: 'all keys were seen',
    time: 'the time was over',
    far_end: 'the far end hung up',
    person: 'it was ended here',
  }[call.ended]
  const rang = call.ringMs === null ? '' : `rang after ${call.ringMs} ms, `
  const answered = call.answerMs === null ? '' : `${rang}answered after ${call.answerMs} ms; `
  return [
    'Call',
    row(
      'far end',
      `${call.peer.host}:${call.peer.port} over ${call.transport}; ${answered}${Math.round(call.durationMs / 1_000)} s, then ${ended}`,
    ),
    row('its SDP', `${far.codecs.join(', ')}${far.ptimeMs === null ? '' : `, ptime ${far.ptimeMs}`}`),
  ]
}

function mediaLines({ media, rtcp, strangers }: TrunkCheckReport): readonly string[] {
  if (media === null) return ['Media', row('RTP', 'none came')]
  const trip = rtcp.roundTripMs === null ? '' : `, round trip ${rtcp.roundTripMs} ms`
  const far =
    rtcp.farLostPercent === null
      ? ', it does not say whether it hears us'
      : `, it loses ${rtcp.farLostPercent} % of ours`
  return [
    'Media',
    row(
      'codec',
      `${media.law === 'alaw' ? 'PCMA' : media.law === 'ulaw' ? 'PCMU' : 'no G.711 came'}${media.ptimeMs === null ? '' : `, ${media.ptimeMs} ms a packet`}${media.comfortNoise ? ', comfort noise' : ''}`,
    ),
    row(
      'packets',
      `${media.packets}, lost ${media.lost} (${media.lostPercent} %, at most ${media.lostRunMax} in a row), twice ${media.duplicates}, out of order ${media.reordered}`,
    ),
    row(
      'timing',
      `jitter ${media.jitterMs} ms, 95 % within ${media.latePercentile95Ms} ms, first packet after ${media.firstPacketMs} ms`,
    ),
    row('RTCP', rtcp.packets === 0 ? 'none came' : `${rtcp.packets} packets${trip}${far}`),
    ...(strangers === 0
      ? []
      : [row('strangers', `${strangers} datagrams that belong to no source of the call were left out`)]),
  ]
}

function keyLines({ summary, presses, media, offsetPercent }: TrunkCheckReport): readonly string[] {
  if (summary.presses === 0) return ['Keys', row('seen', 'none')]
  const events = presses.flatMap(({ event }) => (event === null ? [] : [event]))
  const infos = presses.flatMap(({ info }) => (info === null ? [] : [info.contentType]))
  const { withEvent, withTone, withInfo, withEventAndTone } = summary
  return [
    'Keys',
    row(
      'seen',
      `${summary.presses}: ${withEvent} with events, ${withTone} with tone, ${withEventAndTone} with both, ${withInfo} with INFO`,
    ),
    ...(events.length === 0
      ? []
      : [
          row(
            'events',
            `payload type ${(media?.eventPayloadTypes ?? []).join(', ')}, ${range(summary.eventMs, 'ms')} long, update every ${range(summary.updateMs, 'ms')}, ${range(summary.endPackets, 'end packets')}, marker on ${events.filter(({ marker }) => marker).length} of ${events.length}`,
          ),
        ]),
    ...(withTone === 0
      ? []
      : [
          row(
            'tones',
            `${range(summary.toneMs, 'ms')}, row ${range(summary.lowDbm0, 'dBm0')}, twist ${range(summary.twistDb, 'dB')}, off frequency ${offsetPercent === null ? '?' : `${offsetPercent.median} %, at worst ${offsetPercent.worst}`} %`,
          ),
        ]),
    ...(withEventAndTone === 0
      ? []
      : [
          row(
            'lead',
            `${range(summary.leadMs, 'ms')} of tone before the event, which comes ${range(summary.eventLagMs, 'ms')} after the tone`,
          ),
        ]),
    ...(infos.length === 0
      ? []
      : [
          row(
            'INFO',
            `${[...new Set(infos)].join(', ')}${summary.infoLagMs === null ? '' : `, ${range(summary.infoLagMs, 'ms')} after the press began`}`,
          ),
        ]),
    ...(summary.pauseMs === null ? [] : [row('pauses', range(summary.pauseMs, 'ms'))]),
  ]
}

function settingLines({ settings, yaml }: TrunkCheckReport): readonly string[] {
  if (settings.length === 0) return []
  return [
    '',
    'Settings for this trunk',
    ...settings.map(({ key, value, reason }) => row(key, `${value}: ${reason}`)),
    '',
    'In tonewall.yaml, in the entries of these names:',
    '',
    ...yaml
      .trimEnd()
      .split('\n')
      .map((line) => `    ${line}`),
  ]
}

const NAME_WIDTH = 12

function row(name: string, text: string): string {
  return `  ${name.padEnd(NAME_WIDTH)} ${text}`
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value)
}
