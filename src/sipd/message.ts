import { headerKey, writtenName } from './header-names.ts'
import { splitList } from './header-list.ts'

/**
 * One header field. `key` is the lower-case long name, `name` the spelling to write, `value` is unfolded and trimmed.
 * Values are latin-1 strings: one character for each byte, so that UTF-8 (or anything else) passes through unchanged.
 */
export type Header = { readonly key: string; readonly name: string; readonly value: string }

export type SipRequest = {
  readonly kind: 'request'
  readonly method: string
  readonly uri: string
  readonly headers: readonly Header[]
  readonly body: Buffer
}

export type SipResponse = {
  readonly kind: 'response'
  readonly status: number
  readonly reason: string
  readonly headers: readonly Header[]
  readonly body: Buffer
}

export type SipMessage = SipRequest | SipResponse

export const EMPTY_BODY = Buffer.alloc(0)

export function header(name: string, value: string): Header {
  const key = headerKey(name)
  return { key, name: writtenName(key, name), value }
}

/** The first value line of a header, or undefined. */
export function valueOf(message: SipMessage, key: string): string | undefined {
  for (const header of message.headers) if (header.key === key) return header.value
  return undefined
}

/** All values of a header that may be a comma-separated list, in order. */
export function listOf(message: SipMessage, key: string): string[] {
  const values: string[] = []
  for (const header of message.headers) if (header.key === key) values.push(...splitList(header.value))
  return values
}

/** True when a comma-separated header of option tags names this one, whatever the case. */
export function hasToken(message: SipMessage, key: string, token: string): boolean {
  return listOf(message, key).some((value) => value.toLowerCase() === token)
}

/** The bytes for the wire. Content-Length is always the length of the body, whatever the headers said. */
export function serialize(message: SipMessage): Buffer {
  let head =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0\r\n`
      : `SIP/2.0 ${message.status} ${message.reason}\r\n`
  for (const { key, name, value } of message.headers) {
    if (key !== 'content-length') head += `${name}: ${value}\r\n`
  }
  head += `Content-Length: ${message.body.length}\r\n\r\n`
  if (message.body.length === 0) return Buffer.from(head, 'latin1')
  const bytes = Buffer.allocUnsafe(head.length + message.body.length)
  bytes.write(head, 0, 'latin1')
  message.body.copy(bytes, head.length)
  return bytes
}
