/**
 * The mean opinion score of a stream by the E-model (ITU-T G.107), with everything but loss and delay at its default:
 * R = 93.2 - Id - Ie,eff, and MOS from R by annex B.
 *
 * Id follows Cole and Rosenbluth's fit of G.107. Ie,eff = (95 Ppl) / (Ppl + 4.3): G.711 without concealment, random loss
 * (ITU-T G.113). The delay is half the round trip, and a receiver's buffer of twice the jitter.
 */
export function opinionScore(stream: {
  readonly lossPercent: number
  readonly jitterMs: number
  readonly roundTripMs: number
}): number {
  const delayMs = stream.roundTripMs / 2 + BUFFERED_JITTERS * stream.jitterMs
  const late = Math.max(0, delayMs - 177.3)
  const delayImpairment = 0.024 * delayMs + 0.11 * late
  const lossImpairment = (95 * stream.lossPercent) / (stream.lossPercent + LOSS_ROBUSTNESS)
  const rating = Math.min(100, Math.max(0, 93.2 - delayImpairment - lossImpairment))
  const mos = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6
  return Math.round(Math.min(4.5, Math.max(1, mos)) * 100) / 100
}

const LOSS_ROBUSTNESS = 4.3
const BUFFERED_JITTERS = 2
