import { either, epochMs, integer, list, literal, nullable, record, text, truth, type Shaped } from './shape.ts'

/**
 * The self-test: a call through the real path with a canary card, which the guard keys, hears and judges by itself. The sbc
 * orders it and knows no key of it.
 */

/**
 * ok: nothing was read on the agent's side and nothing lost. leaked: a key, an event packet or an alarm of the sentinel.
 * key_lost: the card was not captured exactly. no_media: packets did not come through. delay: they came too late.
 * not_direct: after the window the parties were not connected again. timeout: a step was not done in time.
 */
export const selfTestCodeShape = literal('ok', 'leaked', 'key_lost', 'no_media', 'delay', 'not_direct', 'timeout')
export type SelfTestCode = Shaped<typeof selfTestCodeShape>

const nameShape = text(/^[a-z][a-z0-9-]{0,39}$/)

/** What an operator asks of the sbc: to test a guard now, or every guard. */
export const selfTestRunShape = record({ type: literal('selftest.run'), guard: nullable(nameShape) })

export const selfTestResultShape = record({
  guard: nameShape,
  rtpengine: nameShape,
  /** unreachable: the guard or its rtpengine does not answer, so there was nothing to test. */
  code: either(selfTestCodeShape, literal('unreachable')),
  inService: truth,
  keysRead: integer(0, 99),
  delayMs: nullable(integer(0, 60_000)),
  durationMs: integer(0, 600_000),
  atMs: epochMs,
})
export type SelfTestResult = Shaped<typeof selfTestResultShape>

export const GUARDS_MAX = 1_000
export const selfTestReportShape = either(
  record({ type: literal('selftest.report'), results: list(selfTestResultShape, GUARDS_MAX) }),
  record({ type: literal('selftest.refused'), code: literal('unknown_guard', 'not_operator', 'busy') }),
)
export type SelfTestReport = Shaped<typeof selfTestReportShape>
