/**
 * The transmission rating R of the E-model (ITU-T G.107), simplified for one packet hop with everything else at its
 * default: R = 93.2 - Id - Ie,eff.
 *
 * Id follows Cole and Rosenbluth's fit of G.107: 0.024 d + 0.11 (d - 177.3) above 177.3 ms, d in ms one way.
 * Ie,eff = Ie + (95 - Ie) Ppl / (Ppl + Bpl), with Ie 0 and Bpl 4.3 (G.711 without concealment, ITU-T G.113 table I.4),
 * loss in percent and taken as random. G.722 is rated on the same narrowband scale here, as its audio is 8 kHz.
 */
export function transmissionRating(path: { readonly delayMs: number; readonly lossRatio: number }): number {
  const late = Math.max(0, path.delayMs - 177.3)
  const delayImpairment = 0.024 * path.delayMs + 0.11 * late
  const lossPercent = path.lossRatio * 100
  const lossImpairment = (95 * lossPercent) / (lossPercent + LOSS_ROBUSTNESS)
  return Math.max(0, DEFAULT_RATING - delayImpairment - lossImpairment)
}

const DEFAULT_RATING = 93.2
const LOSS_ROBUSTNESS = 4.3
