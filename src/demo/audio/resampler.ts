/** Zero crossings of the sinc on each side: about 60 dB of stop band with the Hann window below. */
const CROSSINGS = 16

/** Changes the sample rate of a whole recording by windowed-sinc interpolation; no delay is added. */
export function resample(samples: Int16Array, rates: { readonly fromHz: number; readonly toHz: number }): Int16Array {
  if (rates.fromHz === rates.toHz) return samples
  const ratio = rates.fromHz / rates.toHz
  const cutoff = Math.min(1, 1 / ratio) * 0.95
  const reach = Math.ceil(CROSSINGS / cutoff)
  const out = new Int16Array(Math.floor(samples.length / ratio))
  for (let at = 0; at < out.length; at += 1) {
    const centre = at * ratio
    const first = Math.max(0, Math.ceil(centre - reach))
    const last = Math.min(samples.length - 1, Math.floor(centre + reach))
    let sum = 0
    for (let from = first; from <= last; from += 1) {
      const distance = from - centre
      const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / reach)
      sum += (samples[from] ?? 0) * sinc(distance * cutoff) * window
    }
    out[at] = Math.max(-32_768, Math.min(32_767, Math.round(sum * cutoff)))
  }
  return out
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)
}
