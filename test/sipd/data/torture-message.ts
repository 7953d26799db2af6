/**
 * One message of RFC 4475 or RFC 5118, byte for byte.
 *
 * `sha256` is that of the file of this name in the RFC's own archive (Appendix A); torture-data.test.ts compares. The
 * archive of RFC 5118 has bare LF line ends, so there the hash is of the message with LF for CRLF.
 */
export type TortureMessage = {
  readonly section: string
  readonly name: string
  readonly sha256: string
  readonly bytes: Buffer
}

/** Lines as they stand in the RFC (one character for each byte), each ended by CRLF. */
export function lines(...text: readonly (string | readonly string[])[]): Buffer {
  return Buffer.from(
    text
      .flat()
      .map((line) => `${line}\r\n`)
      .join(''),
    'latin1',
  )
}

/** The <hex> notation of RFC 4475 section 2.2. */
export function hex(digits: string): string {
  return Buffer.from(digits, 'hex').toString('latin1')
}

/** The <repeat> notation of RFC 4475 section 2.3. */
export function repeat(count: number, text: string): string {
  return text.repeat(count)
}

/** The session description that most messages of RFC 4475 carry. */
export function sdp(host: string, options: { readonly connection?: string; readonly time?: string } = {}): string[] {
  return [
    'v=0',
    `o=mhandley 29739 7272939 IN IP4 ${host}`,
    's=-',
    `c=IN IP4 ${options.connection ?? host}`,
    `t=${options.time ?? '0 0'}`,
    'm=audio 49217 RTP/AVP 0 12',
    'm=video 3227 RTP/AVP 31',
    'a=rtpmap:31 LPC',
  ]
}
