/** Texts that are remembered: each of the few descriptions of a call is read about five times while it is set up. */
const TEXTS_MAX = 32
/** Keys of SRTP do not outlive their call here. */
const SECRET = 'a=crypto:'

/** A pure reader of descriptions that remembers the last ones it read. What it returns is shared: it must be readonly. */
export function remembered<Result>(read: (sdp: string) => Result): (sdp: string) => Result {
  const known = new Map<string, { readonly result: Result }>()
  return (sdp) => {
    const found = known.get(sdp)
    if (found !== undefined) return found.result
    const result = read(sdp)
    if (sdp.includes(SECRET)) return result
    const oldest = known.size < TEXTS_MAX ? undefined : known.keys().next().value
    if (oldest !== undefined) known.delete(oldest)
    known.set(sdp, { result })
    return result
  }
}
