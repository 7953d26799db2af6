import type { CallView } from '../../wire/call-protocol.ts'
import { PAYER_SILENT, fieldInWords, guidance, isPayerSilent } from './sentences.ts'

/** What a screen reader has to say about a call, and whether it may interrupt for it. */
export type Announcement = { readonly text: string; readonly urgent: boolean }

/**
 * What changed between two views of a call, in words; null when nothing did that is worth a word. Single keys are not:
 * the dots can be asked for, and sixteen announcements in a row would drown the customer's voice.
 */
export function announcementOf(before: CallView | null, now: CallView | null): Announcement | null {
  if (now === null) return before === null ? null : { text: 'No call.', urgent: false }
  const texts: string[] = []
  if (before?.callId !== now.callId) texts.push(`Call with ${now.from === '' ? 'an unknown number' : now.from}.`)
  const known = before?.callId === now.callId ? before.payment : null
  for (const field of now.payment?.fields ?? []) {
    const earlier = known?.fields.find(({ name }) => name === field.name)
    if (field.state === 'accepted' && earlier?.state !== 'accepted') texts.push(`${fieldInWords(field)}.`)
  }
  const then = before === null || before.callId !== now.callId ? null : guidance(before)
  const next = guidance(now)
  if (then?.headline !== next.headline) texts.push(`${next.headline}.`)
  if (next.say !== null && then?.say !== next.say) texts.push(`Say: ${next.say}`)
  const isSilent = isPayerSilent(now)
  if (isSilent && (before === null || before.callId !== now.callId || !isPayerSilent(before))) texts.push(PAYER_SILENT)
  if (texts.length === 0) return null
  return { text: texts.join(' '), urgent: next.tone === 'fix' || next.tone === 'failed' || next.tone === 'wait' }
}
