/** What a ladder says of one message. */
export type MessageSummary = {
  readonly callId: string
  /** `INVITE`, `180 Ringing`. */
  readonly title: string
  /** Beside the arrow: CSeq, and what else is short. */
  readonly facts: string
  /** Lines below it: each stream of a description, reasons. */
  readonly details: readonly string[]
}

/** Headers that say why something happened, shown below the arrow. */
const TELLING = ['reason', 'warning', 'retry-after', 'refer-to', 'replaces', 'x-tonewall-left-out']

/** Reads a message as sipd keeps it: headers in long form, one a line. Only printable ASCII comes out. */
export function summaryOf(text: string): MessageSummary {
  const end = text.indexOf('\r\n\r\n')
  const [start = '', ...lines] = printable(end === -1 ? text : text.slice(0, end)).split('\n')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    if (!headers.has(name)) headers.set(name, line.slice(colon + 1).trim())
  }
  const response = /^SIP\/2\.0 (\d{3}) ?(.*)$/i.exec(start)
  const cseq = headers.get('cseq') ?? ''
  return {
    callId: headers.get('call-id') ?? '',
    title: response === null ? (start.split(' ')[0] ?? '') : `${response[1] ?? ''} ${response[2] ?? ''}`.trim(),
    facts: `CSeq ${cseq}`,
    details: [
      ...streamsOf(printable(end === -1 ? '' : text.slice(end + 4))),
      ...TELLING.flatMap((name) => {
        const value = headers.get(name)
        return value === undefined ? [] : [`${name}: ${value}`]
      }),
    ],
  }
}

/** One line for each m= of a description: kind, codecs, address, direction. */
function streamsOf(sdp: string): readonly string[] {
  const [session = '', ...medias] = sdp.split(/^(?=m=)/m)
  const addressIn = (part: string): string | undefined => /^c=IN IP[46] (\S+)/m.exec(part)?.[1]
  const directionIn = (part: string): string | undefined => /^a=(sendrecv|sendonly|recvonly|inactive)$/m.exec(part)?.[1]
  return medias.map((media) => {
    const [kind = '', port = '', protocol = '', ...types] = (/^m=(.*)$/m.exec(media)?.[1] ?? '').split(' ')
    const host = addressIn(media) ?? addressIn(session) ?? '?'
    const direction = directionIn(media) ?? directionIn(session) ?? 'sendrecv'
    const codecs = types.map((type) => codecOf(media, type)).join(' ')
    return `SDP ${kind} ${codecs} at ${host}:${port} ${protocol} ${direction}`
  })
}

/** RFC 3551 numbers that need no rtpmap. */
const STATIC: Readonly<Record<string, string>> = { '0': 'PCMU', '3': 'GSM', '8': 'PCMA', '9': 'G722', '18': 'G729' }

function codecOf(media: string, type: string): string {
  const mapped = new RegExp(`^a=rtpmap:${type.replace(/\D/g, '')} ([^/\\s]+)`, 'm').exec(media)?.[1]
  return mapped ?? STATIC[type] ?? type
}

/** Whatever a peer wrote must not steer the terminal of whoever reads it. */
function printable(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(/[^\n\x20-\x7e]/g, '?')
}
