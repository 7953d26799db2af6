import t from 'tap'
import { opinionScore } from '../../src/sbc/voice-rating.ts'

t.test('a perfect stream is as good as G.711 gets, and loss and delay make it worse', (t) => {
  const perfect = opinionScore({ lossPercent: 0, jitterMs: 0, roundTripMs: 0 })
  // R 93.2 is 4.41 (ITU-T G.107, annex B).
  t.equal(perfect, 4.41)
  const lossy = opinionScore({ lossPercent: 2, jitterMs: 0, roundTripMs: 0 })
  t.ok(lossy < 3.6 && lossy > 2.6)
  t.ok(opinionScore({ lossPercent: 0, jitterMs: 0, roundTripMs: 800 }) < 3.7)
  t.ok(opinionScore({ lossPercent: 0, jitterMs: 200, roundTripMs: 0 }) < perfect)
  t.end()
})

t.test('a score lies between 1 and 4.5', (t) => {
  t.equal(opinionScore({ lossPercent: 100, jitterMs: 5_000, roundTripMs: 60_000 }), 1)
  t.end()
})
