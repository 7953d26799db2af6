import type { Address } from '../wire/guard-protocol.ts'
import type { MediaTag, Party } from './party.ts'

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
}

/** Part of a reply of rtpengine's, unread. */
type Reply = Readonly<Record<string, unknown>>

/** Reads the parts of a query reply that prove who hears whom. Nothing in it is trusted to be there. */
export function readFacts(reply: Reply): MediaFacts {
  const tags = asRecord(reply['tags'])
  const tagOf = (tag: MediaTag) => asRecord(tags[tag])
  const heardBy = (tag: MediaTag) => subscriptionTags(tagOf(tag)['subscribers'])
  const hears = (tag: MediaTag) => subscriptionTags(tagOf(tag)['subscriptions'])
  const only = (list: readonly string[], tag: MediaTag) => list.length > 0 && list.every((item) => item === tag)
  return {
    guardIsBetween:
      only(hears('agent'), 'guard-agent') &&
      only(heardBy('payer'), 'guard-payer') &&
      only(hears('payer'), 'guard-payer') &&
      only(heardBy('agent'), 'guard-agent'),
    partiesAreDirect: only(heardBy('payer'), 'agent') && only(heardBy('agent'), 'payer'),
    packetsFrom: {
      payer: packetsFrom(tagOf('payer')),
      agent: packetsFrom(tagOf('agent')),
      guardPayer: packetsFrom(tagOf('guard-payer')),
      guardAgent: packetsFrom(tagOf('guard-agent')),
    },
  }
}

/** Where rtpengine last heard a party from; null while it has not, or says something else. */
export function learntEndpoint(reply: Reply, party: Party): Address | null {
  const endpoint = asRecord(firstStream(asRecord(asRecord(reply['tags'])[party]))['endpoint'])
  const { address, port } = endpoint
  return typeof address === 'string' && typeof port === 'number' && port > 0 ? { host: address, port } : null
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
