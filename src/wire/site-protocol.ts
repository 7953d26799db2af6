import { either, integer, list, literal, nullable, record, text, truth, type Shaped } from './shape.ts'

/** What an operator orders of a running site: to end when its calls have, and to take another configuration. */

/** A day; whoever waits longer gives the order again. */
export const DRAIN_SECONDS_MAX = 86_400
export const SITE_TEXTS_MAX = 64

/** For people: a key, or what is wrong with a file. */
const lineShape = text(/^[\x20-\x7e]{1,400}$/)

export const siteOrderShape = either(
  /** `on` false takes calls again. seconds: after so many the calls that are left are ended; null: never. */
  record({ type: literal('site.drain'), on: truth, seconds: nullable(integer(1, DRAIN_SECONDS_MAX)) }),
  record({ type: literal('site.look') }),
  /** file: another one than the site was started with; null: that one, as it is now. */
  record({ type: literal('site.reload'), file: nullable(text(/^\/[\x20-\x7e]{1,1000}$/)) }),
)
export type SiteOrder = Shaped<typeof siteOrderShape>

export const siteReplyShape = either(
  record({
    type: literal('site.state'),
    draining: truth,
    calls: integer(0, 1_000_000),
    /** INVITEs that ring, or wait for an answer. */
    ringing: integer(0, 1_000_000),
    /** Until the calls that are left are ended; null: they may last. */
    secondsLeft: nullable(integer(0, DRAIN_SECONDS_MAX)),
  }),
  /** The keys that were changed; none when nothing was. */
  record({ type: literal('site.reloaded'), keys: list(lineShape, SITE_TEXTS_MAX) }),
  /** refused: nothing was changed, and the texts say why. busy: another reload is under way. not_operator: operators only. */
  record({
    type: literal('site.refused'),
    code: literal('refused', 'busy', 'not_operator'),
    texts: list(lineShape, SITE_TEXTS_MAX),
  }),
)
export type SiteReply = Shaped<typeof siteReplyShape>

/** Lines that fit: one that is too long is cut, and what is no plain character becomes a question mark. */
export function siteTexts(texts: readonly string[]): readonly string[] {
  return texts.map((line) => line.replace(/[^\x20-\x7e]/g, '?').slice(0, 400) || '?').slice(0, SITE_TEXTS_MAX)
}
