import { userOf } from './name-address.ts'

/** A confirmed dialog as its far end names it (RFC 3891 section 3): our tag, and the peer's. */
export type DialogName = { readonly callId: string; readonly localTag: string; readonly remoteTag: string }
export type Replaces = DialogName & { readonly earlyOnly: boolean }

/** Whom a REFER asks to call: a number at a host, in place of a dialog if there is one. */
export type ReferTarget = {
  /** '' where `uri` says it all. */
  readonly number: string
  /**
   * The address as it was written, without what `?` adds, when it has parameters of its own: a service knows by them whom it
   * means, and wants them back. null: the number says it.
   */
  readonly uri: string | null
  /** Lower case; '' for a tel URI. */
  readonly host: string
  /** The Replaces value as it is sent on (RFC 3891), and as it is read; null: none. */
  readonly replaces: { readonly value: string; readonly dialog: Replaces } | null
}

/** A Call-ID with two tags stays below it; drachtio-srf and peers have limits of their own. */
const REPLACES_LENGTH_MAX = 600
const TARGET_LENGTH_MAX = 1_024

/** Reads a Refer-To value (RFC 3515 section 2.1); null: not one address that can be called. */
export function readReferTo(value: string | undefined): ReferTarget | null {
  if (value === undefined || value.length > TARGET_LENGTH_MAX) return null
  const bracketed = /^\s*(?:"(?:[^"\\]|\\.)*"|[^<",]*)\s*<([^<>]+)>\s*(?:;[^,]*)?$/.exec(value)
  const uri = bracketed?.[1] ?? (/^[^<>,"]+$/.test(value) ? (value.trim().split(';')[0] ?? '') : '')
  const parts = /^(sips?|tel):([^?\s]+)(?:\?(\S*))?$/i.exec(uri)
  const number = userOf(uri)
  if (parts === null) return null
  const [, scheme = '', address = '', headers = ''] = parts
  const own = /^sip$/i.test(scheme) && hasOwnParameters(address) ? `sip:${address}` : null
  if (number === '' && own === null) return null
  // Only a call can be placed (RFC 3515 section 2.1: another method is a request of another kind).
  const method = /;method=([\w-]+)/i.exec(address)?.[1]
  if (method !== undefined && method.toUpperCase() !== 'INVITE') return null
  const written = /(?:^|&)replaces=([^&]*)/i.exec(headers)?.[1]
  const replaces = written === undefined ? null : plainText(written)
  const dialog = replaces === null ? null : readReplaces(replaces)
  if (written !== undefined && dialog === null) return null
  return {
    number,
    uri: own,
    host: scheme.toLowerCase() === 'tel' ? '' : hostOf(address),
    replaces: replaces === null || dialog === null ? null : { value: replaces, dialog },
  }
}

/** Reads a Replaces value (RFC 3891 section 6.1): to-tag is the tag of whoever receives it. Null: not one. */
export function readReplaces(value: string | undefined): Replaces | null {
  if (value === undefined || value.length > REPLACES_LENGTH_MAX || /[,\r\n]/.test(value)) return null
  const [callId = '', ...parameters] = value.split(';').map((part) => part.trim())
  const named = (name: string): string[] =>
    parameters.flatMap((parameter) => {
      const [key = '', text = ''] = parameter.split('=')
      return key.trim().toLowerCase() === name ? [text.trim()] : []
    })
  const [localTag, ...moreTo] = named('to-tag')
  const [remoteTag, ...moreFrom] = named('from-tag')
  if (!/^[\x21-\x7e]+$/.test(callId) || !localTag || !remoteTag || moreTo.length + moreFrom.length > 0) return null
  return { callId, localTag, remoteTag, earlyOnly: named('early-only').length > 0 }
}

/** Those of RFC 3261 section 19.1.1 say by which way, not to whom. */
const OF_THE_WAY: ReadonlySet<string> = new Set(['transport', 'user', 'method', 'ttl', 'maddr', 'lr'])

/** False, too, when a character is in it that we do not write into a request line. */
function hasOwnParameters(address: string): boolean {
  const [place = '', ...parameters] = address.split(';')
  if (!/^[\w\-.!~*'()&=+$,/%@:[\];]+$/.test(address) || place === '') return false
  return parameters.some((parameter) => !OF_THE_WAY.has((parameter.split('=')[0] ?? '').toLowerCase()))
}

function hostOf(address: string): string {
  const host = /^(?:[^@]*@)?(\[[0-9a-f:.]+\]|[^:;@]+)/i.exec(address)?.[1] ?? ''
  return host.replace(/^\[|\]$/g, '').toLowerCase()
}

function plainText(escaped: string): string | null {
  try {
    return decodeURIComponent(escaped)
  } catch {
    return null
  }
}
