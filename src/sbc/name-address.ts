/** The parts of a name-addr or addr-spec (RFC 3261 section 20.10) that an sbc routes and shows by. */

/** Longer values are not numbers or users of anybody. */
const USER_LENGTH_MAX = 64

/** The user part of a SIP or tel URI, of a From, To or Contact value, unescaped, or '' when there is none. */
export function userOf(value: string | undefined): string {
  if (value === undefined) return ''
  // What a display name says in quotes is not the address, whatever it looks like.
  const unquoted = value.replace(/^\s*"(?:[^"\\]|\\.)*"/, '')
  const uri = /<([^>]{0,512})>/.exec(unquoted)?.[1] ?? unquoted
  const tel = /^\s*tel:([^;>\s]{1,64})/i.exec(uri)
  const user = tel?.[1] ?? /^\s*sips?:([^@>\s]{1,256})@/i.exec(uri)?.[1] ?? ''
  const bare = unescape(user.split(/[;:]/)[0] ?? '')
  // Visual separators are no part of a number (RFC 3966 section 5.1.1).
  return (tel === null ? bare : bare.replace(/[-.()]/g, '')).slice(0, USER_LENGTH_MAX)
}

/** Only what is safe in a URI of ours; other characters are escaped again (RFC 3261 section 25.1, user). */
export function escapeUser(user: string): string {
  return Array.from(user, escapeCharacter).join('')
}

function escapeCharacter(character: string): string {
  return /[\w\-.!~*'()&=+$,;?/]/.test(character) ? character : encodeURIComponent(character)
}

function unescape(text: string): string {
  try {
    const plain = decodeURIComponent(text)
    return /^[\x20-\x7e]*$/.test(plain) ? plain : ''
  } catch {
    return ''
  }
}
