/**
 * Splits a comma-separated header value (RFC 3261 section 7.3.1). A comma inside a quoted string or inside <> belongs
 * to the value. One pass; empty elements are dropped.
 */
export function splitList(value: string): string[] {
  if (!value.includes(',')) return value === '' ? [] : [value]
  return splitOutsideQuotes(value, ',')
}

/** The parameters of a header after the value proper, `;name=value;flag`; quotes are kept. Names in lower case. */
export function parseParameters(text: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  if (text === '') return parameters
  for (const part of splitOutsideQuotes(text, ';')) {
    const equals = part.indexOf('=')
    const name = (equals === -1 ? part : part.slice(0, equals)).trim().toLowerCase()
    if (name !== '' && !parameters.has(name)) parameters.set(name, equals === -1 ? '' : part.slice(equals + 1).trim())
  }
  return parameters
}

/** True when nothing stands between two separators of a list with parameters, or behind the last one (RFC 4475 section 3.1.2.1). */
export function hasEmptyPart(text: string): boolean {
  let empty = true
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index]
    if (character === '"') {
      const close = closingQuote(text, index)
      if (close === -1) return false
      index = close
      empty = false
    } else if (character === ',' || character === ';') {
      if (empty) return true
      empty = true
    } else if (character !== ' ' && character !== '\t') empty = false
  }
  return empty
}

/** Where a quoted string that opens at `from` ends (index of the closing quote), or -1. A backslash escapes one character. */
export function closingQuote(text: string, from: number): number {
  for (let index = from + 1; index < text.length; index += 1) {
    const character = text[index]
    if (character === '\\') index += 1
    else if (character === '"') return index
  }
  return -1
}

function splitOutsideQuotes(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = []
  let start = 0
  let inAngles = false
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index]
    if (character === '"') {
      const close = closingQuote(text, index)
      if (close === -1) break
      index = close
    } else if (character === '<') inAngles = true
    else if (character === '>') inAngles = false
    else if (character === separator && !inAngles) {
      pushTrimmed(parts, text.slice(start, index))
      start = index + 1
    }
  }
  pushTrimmed(parts, text.slice(start))
  return parts
}

function pushTrimmed(parts: string[], part: string): void {
  const trimmed = part.trim()
  if (trimmed !== '') parts.push(trimmed)
}
