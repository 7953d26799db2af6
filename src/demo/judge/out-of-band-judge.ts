import { KEYS } from '../audio/tone-pair.ts'
import type { LoggedInfo, LoggedPacket } from '../phone/phone-protocol.ts'

/** One telephone-event of a stream, however many packets told of it. */
export type ToldEvent = {
  readonly key: string
  readonly ssrc: number
  readonly timestamp: number
  /** Arrival of its first packet. */
  readonly atUs: number
  /** The longest duration that any of its packets stated, in samples of 8 kHz. */
  readonly durationSamples: number
}

/** Reads the keys that telephone-event packets and INFO bodies tell, in order of arrival. */
export function readOutOfBand(side: {
  readonly packets: readonly LoggedPacket[]
  readonly infos: readonly LoggedInfo[]
}): string {
  const events = eventsOf(side.packets).map(({ key, atUs }) => ({ key, atUs }))
  const infos = side.infos.flatMap((info) => {
    const read = infoKeyOf(info)
    return read === undefined ? [] : [{ key: read.key, atUs: info.atUs }]
  })
  return [...events, ...infos]
    .sort((first, second) => first.atUs - second.atUs)
    .map(({ key }) => key)
    .join('')
}

/** Static payload types and those reserved for RTCP are never events; anything else of the right shape may be. */
const FIRST_EVENT_TYPE = 35

/**
 * The events in a packet log: any payload of exactly four bytes whose event is a key, whatever payload type it has,
 * for what was negotiated does not bind an attacker (RFC 4733 section 2.3).
 */
export function eventsOf(packets: readonly LoggedPacket[]): readonly ToldEvent[] {
  const told = new Map<string, ToldEvent>()
  for (const { payloadType, payload, ssrc, timestamp, atUs } of packets) {
    const [code, , high, low] = payload
    if (payloadType < FIRST_EVENT_TYPE || payload.length !== 4) continue
    const key = KEYS[code ?? KEYS.length]
    if (key === undefined) continue
    const durationSamples = ((high ?? 0) << 8) | (low ?? 0)
    const name = `${ssrc} ${timestamp} ${key}`
    const known = told.get(name)
    told.set(
      name,
      known === undefined
        ? { key, ssrc, timestamp, atUs, durationSamples }
        : { ...known, durationSamples: Math.max(known.durationSamples, durationSamples) },
    )
  }
  return [...told.values()].sort((first, second) => first.atUs - second.atUs)
}

/** A longer key press than 10 s in an INFO is a mistake. */
const INFO_MS_MAX = 10_000

/** The key of an INFO body: application/dtmf-relay (Signal=5, Duration=100) or application/dtmf (5). */
export function infoKeyOf(info: LoggedInfo): { readonly key: string; readonly durationMs: number } | undefined {
  const type = info.contentType.toLowerCase()
  if (!type.startsWith('application/dtmf')) return undefined
  const signal = /^\s*(?:Signal\s*=\s*)?([0-9A-D*#])\s*$/im.exec(info.body)?.[1]?.toUpperCase()
  if (signal === undefined) return undefined
  const stated = Number(/^\s*Duration\s*=\s*(\d{1,6})/im.exec(info.body)?.[1] ?? 100)
  return { key: signal, durationMs: Math.min(stated, INFO_MS_MAX) }
}
