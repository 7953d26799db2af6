import { connectionText, type Codec, type Direction } from './sdp.ts'

/** A description (RFC 8866) of one audio stream that is nobody's: the guard's, or of a leg that is still to come. */
export function plainDescription(options: {
  readonly host: string
  readonly port: number
  readonly codecs: readonly Codec[]
  readonly direction: Direction
}): string {
  const { host, port, codecs, direction } = options
  const address = connectionText(host)
  return [
    'v=0',
    `o=- 1 1 ${address}`,
    's=-',
    `c=${address}`,
    't=0 0',
    `m=audio ${port} RTP/AVP ${codecs.map(({ payloadType }) => payloadType).join(' ')}`,
    ...codecs.map(({ payloadType, rtpmap }) => `a=rtpmap:${payloadType} ${rtpmap}`),
    ...codecs.flatMap(({ payloadType, fmtp }) => (fmtp === null ? [] : [`a=fmtp:${payloadType} ${fmtp}`])),
    `a=${direction}`,
    '',
  ].join('\r\n')
}
