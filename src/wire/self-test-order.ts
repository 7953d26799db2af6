import { addressShape } from './address.ts'
import { selfTestCodeShape } from './self-test-protocol.ts'
import { either, integer, literal, nullable, record, type Shaped } from './shape.ts'
import { windowIdShape } from './window-progress.ts'

/** The part of the self-test between an sbc and a guard; the part that an operator sees is in self-test-protocol.ts. */

const ofWindow = <const Type extends string>(type: Type) => record({ type: literal(type), windowId: windowIdShape })

/** From the sbc to a guard. The id is that of the payment window which will be prepared on the test's call. */
export const selfTestOrderShape = either(
  /** Opens the test's two telephones. Answered 'selftest.ready' or 'refused'. */
  ofWindow('selftest.begin'),
  /** rtpengine's ports towards them: from now on both talk. */
  record({ type: literal('selftest.connect'), windowId: windowIdShape, payer: addressShape, agent: addressShape }),
  /** Keys the canary card. Answered 'ok' when the last key was sent. */
  ofWindow('selftest.play'),
  /** After the window was closed. Answered 'selftest.judged'. */
  record({ type: literal('selftest.judge'), windowId: windowIdShape, delayMsMax: integer(1, 10_000) }),
  ofWindow('selftest.end'),
)
export type SelfTestOrder = Shaped<typeof selfTestOrderShape>

export const selfTestReplyShape = either(
  record({ type: literal('selftest.ready'), payer: addressShape, agent: addressShape }),
  record({
    type: literal('selftest.judged'),
    code: selfTestCodeShape,
    /** Keys that could be read from what the agent's telephone heard. */
    keysRead: integer(0, 99),
    /** From telephone to telephone while the window was open, at the median. */
    delayMs: nullable(integer(0, 60_000)),
  }),
)
