import type { NgResult } from './rtpengine-control.ts'
import { readSections } from './sdp-sections.ts'

/** gone: rtpengine no longer knows the call. silent: it does not answer. refused: it could not. unusable: no audio in the description. */
export type MediaFailure = 'gone' | 'silent' | 'refused' | 'unusable'
export type MediaResult<Value> =
  { readonly kind: 'ok'; readonly value: Value } | { readonly kind: 'failed'; readonly code: MediaFailure }

export function failureOf(result: Exclude<NgResult, { kind: 'ok' }>): MediaFailure {
  if (result.kind === 'silent') return 'silent'
  return result.unknownCall ? 'gone' : 'refused'
}

/** The description in a reply, or why there is none. */
export function readDescription(result: NgResult): MediaResult<string> {
  if (result.kind !== 'ok') return { kind: 'failed', code: failureOf(result) }
  const sdp = replySdp(result.reply)
  return readSections(sdp) === null ? { kind: 'failed', code: 'unusable' } : { kind: 'ok', value: sdp }
}

function replySdp(reply: Readonly<Record<string, unknown>>): string {
  const sdp = reply['sdp']
  return typeof sdp === 'string' ? sdp : ''
}
