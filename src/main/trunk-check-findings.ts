import type { Evidence, Spread } from './trunk-check-report.ts'

/** `warning`: a key could be missed or heard on this trunk; `note`: good to know. */
export type Finding = { readonly code: string; readonly severity: 'note' | 'warning'; readonly text: string }

/** Shorter rests of a tone are what the edge of a packet leaves. */
const LEAD_MS_HEARD = 5
/** ITU-T Q.24: a receiver must take tones from -25 dBm0 (some administrations -30) up to 0. */
const LEVEL_DBM0_MIN = -25
const LEVEL_DBM0_MAX = 0
/** ITU-T Q.24: the column up to 4 dB above the row and 8 dB below it. */
const TWIST_DB_MAX = 4
const TWIST_DB_MIN = -8
/** ITU-T Q.24: frequencies within 1.5 % must be taken. */
const OFFSET_PERCENT_MAX = 1.5
/** ITU-T Q.24: tones and pauses of 40 ms must be taken. */
const ON_MS_MIN = 40
const PAUSE_MS_MIN = 40
/** RFC 4733 section 2.5.1.4: the end is sent three times. */
const END_PACKETS = 3
const LOSS_PERCENT_HIGH = 1
const JITTER_MS_HIGH = 30
const ROUND_TRIP_MS_HIGH = 300

/** What was seen, in plain words. The order is that of importance. */
export function findingsOf(evidence: Evidence): readonly Finding[] {
  return [
    ...transportFindings(evidence),
    ...eventFindings(evidence),
    ...toneFindings(evidence),
    ...mediaFindings(evidence),
  ]
}

function note(code: string, text: string): Finding {
  return { code, severity: 'note', text }
}

function warning(code: string, text: string): Finding {
  return { code, severity: 'warning', text }
}

function transportFindings({ summary, facts, figures, presses: seen }: Evidence): readonly Finding[] {
  const { presses, withEvent, withTone, withInfo, withEventAndTone, leadMs, toneMs } = summary
  const found: Finding[] = []
  if (presses === 0) {
    found.push(
      warning(
        'no_keys',
        figures.media === null
          ? 'No RTP came: look at firewall, NAT and the address in our SDP; nothing can be said of keys.'
          : 'RTP came, but no key was seen as event, tone or SIP INFO: was one pressed, and does the trunk pass keys at all?',
      ),
    )
    return found
  }
  const fragment = leadMs !== null && leadMs.max >= LEAD_MS_HEARD
  if (withEventAndTone > 0 && fragment) {
    found.push(
      warning(
        'events_and_tone',
        `This trunk sends tone AND events: ${range(leadMs, 'ms')} of each tone pass before the event, and ${range(toneMs, 'ms')} of tone in all.`,
      ),
    )
  } else if (withEventAndTone > 0) {
    found.push(
      warning(
        'events_and_tone',
        `This trunk sends tone AND events: ${range(toneMs, 'ms')} of tone go beside each event.`,
      ),
    )
  } else if (withEvent > 0 && withTone === 0) {
    found.push(note('events_only', 'This trunk sends events, and nothing of the tone is left in the audio.'))
  } else if (withTone > 0 && withEvent === 0) {
    const offered = facts.far.events.length > 0
    found.push(
      offered
        ? warning('tone_only', 'This trunk sends keys as tones in the audio, though its SDP names telephone-event.')
        : note('tone_only', 'This trunk sends keys as tones in the audio; its SDP names no telephone-event.'),
    )
  }
  const withEventOnly = withEvent - withEventAndTone
  if (withEventAndTone > 0 && withEventOnly > 0) {
    found.push(note('tone_sometimes', `${withEventOnly} of ${presses} presses came as events without any tone.`))
  }
  if (withEvent > 0 && withEvent < presses) {
    found.push(
      warning(
        'mixed_transports',
        `${presses - withEvent} of ${presses} presses came without events: the trunk mixes transports.`,
      ),
    )
  }
  const beside = seen.filter(({ event, tone, info }) => info !== null && (event !== null || tone !== null)).length
  if (withInfo === presses && beside === 0) {
    found.push(
      warning(
        'info',
        'This trunk signals keys by SIP INFO only: the key stands in SIP itself, so sipd and sbc come into the assessment.',
      ),
    )
  } else if (beside > 0) {
    found.push(
      warning(
        'info',
        `${beside} of ${presses} presses came by SIP INFO beside event or tone: one press is reported twice, and SIP itself holds keys.`,
      ),
    )
  } else if (withInfo > 0) {
    found.push(warning('info', `${withInfo} of ${presses} presses came by SIP INFO alone: SIP itself holds keys.`))
  }
  if (summary.doubled > 0) {
    found.push(
      warning(
        'doubled',
        `${summary.doubled} of ${presses} presses were reported twice, sooner than a hand can press again.`,
      ),
    )
  }
  return found
}

function eventFindings({ presses, summary, figures, facts }: Evidence): readonly Finding[] {
  const events = presses.flatMap(({ event }) => (event === null ? [] : [event]))
  if (events.length === 0) return []
  const found: Finding[] = []
  const types = figures.media?.eventPayloadTypes ?? []
  const unnamed = types.filter((type) => !facts.far.events.includes(type))
  if (unnamed.length > 0 && facts.far.events.length > 0)
    found.push(
      note(
        'payload_type',
        `Events come on payload type ${unnamed.join(', ')}; its SDP names ${facts.far.events.join(', ')}.`,
      ),
    )
  else if (unnamed.length > 0)
    found.push(
      warning(
        'payload_type',
        `Events come on payload type ${unnamed.join(', ')}, though its SDP names no telephone-event.`,
      ),
    )
  const restamped = events.filter(
    (event) => event.restamped === 'each_packet' || event.restamped === 'end_packets',
  ).length
  if (restamped > 0) {
    found.push(
      warning(
        'restamped',
        `${restamped} of ${events.length} events change their timestamp within one press (RFC 4733 forbids it): some receivers count such a press twice.`,
      ),
    )
  }
  const unmarked = events.filter((event) => !event.marker).length
  if (unmarked * 2 > events.length)
    found.push(note('no_marker', 'The first packet of events has no marker; receivers that wait for it miss keys.'))
  const { endPackets } = summary
  if (endPackets !== null && endPackets.median < END_PACKETS) {
    found.push(
      endPackets.median === 0
        ? warning('no_end', 'Events come without end packets: a key is known to be up only when its packets stop.')
        : note(
            'few_ends',
            `Events end with ${endPackets.median} packet(s), not three: a lost one leaves a key down longer.`,
          ),
    )
  }
  const repeated = events.filter((event) => !event.endsRenumbered).length
  if (repeated * 2 > events.length)
    found.push(
      note(
        'ends_not_renumbered',
        'The end of events is repeated under the same sequence number (RFC 4733 section 2.5.1.4 asks for new ones); they count as packets that came twice.',
      ),
    )
  if (events.some((event) => event.shrank))
    found.push(note('shrinking', 'The last duration of some events is shorter than one before it.'))
  return found
}

function toneFindings({ summary, figures }: Evidence): readonly Finding[] {
  const { lowDbm0, twistDb, toneMs, pauseMs, withEvent } = summary
  const found: Finding[] = []
  if (lowDbm0 !== null && (lowDbm0.min < LEVEL_DBM0_MIN || lowDbm0.max > LEVEL_DBM0_MAX)) {
    found.push(
      warning(
        'level',
        `Tones come at ${range(lowDbm0, 'dBm0')} (row): outside ${LEVEL_DBM0_MIN} to ${LEVEL_DBM0_MAX} dBm0, what ITU-T Q.24 lets a receiver count on.`,
      ),
    )
  }
  if (twistDb !== null && (twistDb.min < TWIST_DB_MIN || twistDb.max > TWIST_DB_MAX)) {
    found.push(
      warning(
        'twist',
        `Twist is ${range(twistDb, 'dB')}: outside ${TWIST_DB_MIN} to +${TWIST_DB_MAX} dB of ITU-T Q.24; such keys may be missed in-band.`,
      ),
    )
  }
  const offset = figures.offsetPercent
  if (offset !== null && Math.abs(offset.worst) > OFFSET_PERCENT_MAX)
    found.push(
      warning(
        'offset',
        `Tones are up to ${offset.worst} % off their frequency; receivers must take 1.5 % (ITU-T Q.24).`,
      ),
    )
  if (withEvent === 0 && toneMs !== null && toneMs.min < ON_MS_MIN)
    found.push(warning('short_tones', `Some tones last ${toneMs.min} ms; receivers must take 40 ms (ITU-T Q.24).`))
  if (pauseMs !== null && pauseMs.min < PAUSE_MS_MIN)
    found.push(
      note('short_pauses', `Some pauses between keys last ${pauseMs.min} ms; receivers must take 40 ms (ITU-T Q.24).`),
    )
  return found
}

function mediaFindings({ figures, facts }: Evidence): readonly Finding[] {
  const { media, rtcp } = figures
  if (media === null) return []
  const found: Finding[] = []
  if (media.lostPercent >= LOSS_PERCENT_HIGH)
    found.push(
      warning(
        'loss',
        `${media.lost} packets were lost (${media.lostPercent} %), ${media.lostRunMax} in a row at most.`,
      ),
    )
  if (media.jitterMs > JITTER_MS_HIGH)
    found.push(
      warning(
        'jitter',
        `Jitter reached ${media.jitterMs} ms; 95 of 100 packets came at most ${media.latePercentile95Ms} ms late.`,
      ),
    )
  if (media.duplicates > 0) found.push(note('duplicates', `${media.duplicates} packets came twice.`))
  if (media.reordered > 0) found.push(note('reordered', `${media.reordered} packets came out of order.`))
  if (media.law === null)
    found.push(
      warning(
        'no_audio',
        media.otherPayloadTypes.length > 0
          ? 'No G.711 audio came, so no tone could be looked for.'
          : 'Only events came, and no audio beside them: a line without audio may be one way only.',
      ),
    )
  if (!media.asDescribed)
    found.push(
      note('other_address', 'RTP comes from another address or port than the SDP names (NAT or a media relay).'),
    )
  if (media.sources > 1) found.push(note('sources', `RTP came from ${media.sources} sources (SSRC).`))
  if (media.redundancy) found.push(note('redundancy', 'The trunk uses RFC 2198 redundancy.'))
  if (media.otherPayloadTypes.length > 0)
    found.push(
      note('other_payloads', `Payload types that were not agreed came too: ${media.otherPayloadTypes.join(', ')}.`),
    )
  if (rtcp.farLostPercent !== null && rtcp.farLostPercent >= LOSS_PERCENT_HIGH)
    found.push(warning('far_loss', `The far end says that it loses ${rtcp.farLostPercent} % of what we send.`))
  if (rtcp.roundTripMs !== null && rtcp.roundTripMs > ROUND_TRIP_MS_HIGH)
    found.push(warning('round_trip', `The round trip takes ${rtcp.roundTripMs} ms.`))
  if (facts.far.events.length === 0) found.push(note('no_events_named', 'Its SDP names no telephone-event/8000.'))
  return found
}

/** `38 ms`, or `31 to 42 ms`. */
export function range(spread: Spread | null, unit: string): string {
  if (spread === null) return `? ${unit}`
  return spread.min === spread.max ? `${spread.min} ${unit}` : `${spread.min} to ${spread.max} ${unit}`
}
