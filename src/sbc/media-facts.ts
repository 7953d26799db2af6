import type { Address } from '../wire/guard-protocol.ts'
import type { HeardLeg } from './learnt-endpoints.ts'
import { readCallQuality, type CallQuality } from './media-quality.ts'

/** What `query` says about who hears whom. packetsFrom counts what arrived from each side. */
export type MediaFacts = {
  readonly guardIsBetween: boolean
  readonly partiesAreDirect: boolean
  readonly packetsFrom: {
    readonly payer: number
    readonly agent: number
    readonly guardPayer: number
    readonly guardAgent: number
  }
  /** Of what came from each party. */
  readonly quality: CallQuality
}

/** Part of a reply of rtpengine's, unread. */
type Reply = Readonly<Record<string, unknown>>

/** Who is who in a call: its parties' names, and those of legs that are out of it. */
export type MediaTags = {
  readonly payer: string
  readonly agent: string
  readonly retired: ReadonlySet<string>
  /** Not null: the legs are connected by a relay under the guard's names, in whose place the guard is, or null. */
  readonly relay: { readonly guard: { readonly payer: Address; readonly agent: Address } | null } | null
}

const FIRST_TAGS: MediaTags = { payer: 'payer', agent: 'agent', retired: new Set(), relay: null }

/**
 * Reads the parts of a query reply that prove who hears whom. Nothing in it is trusted to be there. rtpengine 10.5 goes
 * on naming a leg that was deleted as one that is heard; a retired leg without a port of its own is heard by nobody.
 */
export function readFacts(reply: Reply, parties: MediaTags = FIRST_TAGS): MediaFacts {
  const tags = asRecord(reply['tags'])
  const tagOf = (tag: string) => asRecord(tags[tag])
  const isGone = (tag: string) => parties.retired.has(tag) && firstStream(tagOf(tag))['local port'] === undefined
  const heardBy = (tag: string) => subscriptionTags(tagOf(tag)['subscribers'])
  const hears = (tag: string) => subscriptionTags(tagOf(tag)['subscriptions']).filter((heard) => !isGone(heard))
  const only = (list: readonly string[], tag: string) => list.length > 0 && list.every((item) => item === tag)
  const { payer, agent, relay } = parties
  const isBetween =
    only(hears(agent), 'guard-agent') &&
    only(heardBy(payer), 'guard-payer') &&
    only(hears(payer), 'guard-payer') &&
    only(heardBy(agent), 'guard-agent')
  const isAt = (tag: string, address: Address | null) => isSame(learntEndpoint(reply, tag), address)
  const guard = relay?.guard ?? null
  const isRelay =
    isAt('guard-payer', ownAddress(reply, 'guard-agent')) && isAt('guard-agent', ownAddress(reply, 'guard-payer'))
  return {
    guardIsBetween:
      isBetween &&
      (relay === null || (isAt('guard-payer', guard?.payer ?? null) && isAt('guard-agent', guard?.agent ?? null))),
    partiesAreDirect:
      relay === null ? only(heardBy(payer), agent) && only(heardBy(agent), payer) : isBetween && isRelay,
    packetsFrom: {
      payer: packetsFrom(tagOf(payer)),
      agent: packetsFrom(tagOf(agent)),
      guardPayer: packetsFrom(tagOf('guard-payer')),
      guardAgent: packetsFrom(tagOf('guard-agent')),
    },
    quality: readCallQuality(reply, parties),
  }
}

/** Where rtpengine last heard a leg from; null while it has not, or says something else. */
export function learntEndpoint(reply: Reply, tag: string): Address | null {
  const endpoint = asRecord(firstStream(asRecord(asRecord(reply['tags'])[tag]))['endpoint'])
  const { address, port } = endpoint
  return typeof address === 'string' && typeof port === 'number' && port > 0 ? { host: address, port } : null
}

/** That, with how sure it is and the packets that came from the leg. */
export function heardLeg(reply: Reply, tag: string): HeardLeg {
  const leg = asRecord(asRecord(reply['tags'])[tag])
  const { flags, 'last packet': lastPacket } = firstStream(leg)
  // Whole seconds. A packet of the second of the last offer or answer may have come before it.
  const lastSignal = reply['last signal']
  const isLater = typeof lastPacket === 'number' && typeof lastSignal === 'number' && lastPacket > lastSignal
  const isSure = isLater || (Array.isArray(flags) && flags.includes('confirmed'))
  return { from: learntEndpoint(reply, tag), isSure, packets: packetsFrom(leg) }
}

/** Where rtpengine itself is on a leg, whatever address it shows outside; null when it does not say. */
export function ownAddress(reply: Reply, tag: string): Address | null {
  const { 'local address': host, 'local port': port } = firstStream(asRecord(asRecord(reply['tags'])[tag]))
  return typeof host === 'string' && typeof port === 'number' ? { host, port } : null
}

function isSame(one: Address | null, other: Address | null): boolean {
  return one !== null && other !== null && one.host === other.host && one.port === other.port
}

function packetsFrom(tag: Reply): number {
  const packets = asRecord(firstStream(tag)['stats'])['packets']
  return typeof packets === 'number' ? packets : 0
}

function firstStream(tag: Reply): Reply {
  const medias: unknown = tag['medias']
  const streams: unknown = Array.isArray(medias) ? asRecord(medias[0])['streams'] : undefined
  return Array.isArray(streams) ? asRecord(streams[0]) : {}
}

function subscriptionTags(list: unknown): readonly string[] {
  if (!Array.isArray(list)) return []
  return list
    .map((item: unknown) => (typeof item === 'string' ? item : asRecord(item)['tag']))
    .filter((tag) => typeof tag === 'string')
}

function asRecord(value: unknown): Reply {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Reply) : {}
}
