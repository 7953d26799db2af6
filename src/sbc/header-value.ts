/** Longer ones are no use to anybody, and too many of them would not fit into a datagram. */
const VALUE_LENGTH_MAX = 512

/** Printable ASCII in bounds: nothing that could begin another header line, and nothing that a peer could misread. */
export function isSafeValue(value: string): boolean {
  return value.length <= VALUE_LENGTH_MAX && /^[\x20-\x7e]+$/.test(value) && value.trim() !== ''
}

/** The values of a list header (RFC 3261 section 7.3.1): split at commas outside quotes and angle brackets. */
export function splitValues(value: string): readonly string[] {
  const parts = value.match(/(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^,"<])+/g) ?? []
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}
