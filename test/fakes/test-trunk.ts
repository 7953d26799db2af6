import { completeTrunk, type WrittenTrunk } from '../../src/main/trunk-defaults.ts'
import type { TrunkConfiguration } from '../../src/wire/configuration.ts'

/** A trunk with the defaults that an operator's would have, except that nobody asks it whether it is there. */
export function testTrunk(written: Partial<WrittenTrunk> & Pick<WrittenTrunk, 'name' | 'side'>): TrunkConfiguration {
  return completeTrunk(
    { sources: ['127.0.0.1'], target: { host: '127.0.0.1', port: 5_060 }, health: null, lookAheadMs: 60, ...written },
    { file: (name) => name, lookAheadMs: 60 },
  )
}
