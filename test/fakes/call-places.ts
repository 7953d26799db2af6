import type { RescuePlaces } from '../../src/sbc/call-rescue.ts'
import { RescueSlots } from '../../src/sbc/rescue-slots.ts'
import type { TransferPlaces } from '../../src/sbc/transfer-places.ts'

/** No other rtpengine: a call that loses its own ends. */
export const NO_RESCUE: RescuePlaces = {
  engine: () => Promise.resolve(null),
  hasGuard: () => false,
  slots: new RescueSlots(),
  callIdPrefix: '',
  ended: () => undefined,
}

/** Nobody can be reached: every transfer fails with 404. */
export const NO_TRANSFERS: TransferPlaces = {
  place: () => Promise.resolve({ kind: 'rejected', status: 404 }),
  find: () => null,
  answer: () => Promise.resolve(null),
}
