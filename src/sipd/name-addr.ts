import { closingQuote, parseParameters } from './header-list.ts'

/** What From, To, Contact, Route and Record-Route carry: an address and header parameters (RFC 3261 section 20.10). */
export type NameAddr = { readonly uri: string; readonly parameters: ReadonlyMap<string, string> }

/** Parses `"name" <uri>;params` or `uri;params`; undefined when the brackets or quotes do not close or no URI is there. */
export function parseNameAddr(value: string): NameAddr | undefined {
  let from = 0
  if (value.startsWith('"')) {
    const close = closingQuote(value, 0)
    if (close === -1) return undefined
    from = close + 1
  }
  const open = value.indexOf('<', from)
  if (open !== -1) {
    const close = value.indexOf('>', open)
    if (close === -1) return undefined
    const uri = value.slice(open + 1, close).trim()
    const rest = value.slice(close + 1).trimStart()
    if (uri === '' || (rest !== '' && !rest.startsWith(';'))) return undefined
    return { uri, parameters: parseParameters(rest) }
  }
  if (from !== 0) return undefined
  // Without brackets everything after the first semicolon belongs to the header, not to the URI.
  const semicolon = value.indexOf(';')
  const uri = (semicolon === -1 ? value : value.slice(0, semicolon)).trim()
  // Nor may it hold a question mark (RFC 3261 section 20): what follows could be the URI's or the header's.
  if (uri === '' || /[ ?]/.test(uri) || !uri.includes(':')) return undefined
  return { uri, parameters: parseParameters(semicolon === -1 ? '' : value.slice(semicolon + 1)) }
}

/** The tag of a From or To value, or undefined. */
export function tagOf(value: string): string | undefined {
  if (!value.includes('tag')) return undefined
  const tag = parseNameAddr(value)?.parameters.get('tag')
  return tag === '' ? undefined : tag
}

/** `<uri>;params` for a value without brackets: some peers take a bare URI's header parameters for its own. */
export function bracketed(value: string): string {
  if (value.includes('<')) return value
  const semicolon = value.indexOf(';tag=')
  return semicolon === -1 ? `<${value}>` : `<${value.slice(0, semicolon)}>${value.slice(semicolon)}`
}

/** The value with a tag added; the value must not have one yet. */
export function withTag(value: string, tag: string): string {
  return `${value};tag=${tag}`
}

/** Puts our own address where an application wrote `@localhost` for it: it cannot know which socket will be used. */
export function replaceLocalhost(value: string, hostPort: string): string {
  const at = value.indexOf('@localhost')
  if (at === -1) return value
  const after = value[at + '@localhost'.length]
  if (after !== undefined && after !== '>' && after !== ';' && after !== '?' && after !== ' ' && after !== ',')
    return value
  return `${value.slice(0, at + 1)}${hostPort}${value.slice(at + '@localhost'.length)}`
}
