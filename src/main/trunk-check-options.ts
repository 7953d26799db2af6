import { isIP } from 'node:net'

/** What `tonewall trunk-check` was asked to do. */
export type TrunkCheckCommand = {
  readonly kind: 'trunk-check'
  readonly mode: { readonly kind: 'call'; readonly uri: string } | { readonly kind: 'accept' }
  /** Where a trunk's name is looked up. */
  readonly configurationFile: string
  /** It ends after so many presses, or this long after the answer; it waits as long for a call. */
  readonly keys: number
  readonly seconds: number
  /** A file, `-` for standard output, or null. */
  readonly json: string | null
  /** null: the one that the far end is likely to reach. */
  readonly address: string | null
  /** 0: any that is free. */
  readonly port: number
  readonly rtpPort: number
  /** The user part that we call as. */
  readonly from: string
}

/** 1 to 9, *, 0 and #: every row and column of a keypad. */
const KEYS_USUAL = 12
const KEYS_MAX = 1_000
const SECONDS_USUAL = 120
const SECONDS_MAX = 3_600
const FROM = /^[\w+*#.-]{1,64}$/
const PORT_MAX = 65_534

/** Reads the options of the command, which were checked to be its own. */
export function readTrunkCheck(options: {
  readonly configurationFile: string
  readonly accept: boolean
  readonly text: (
    option: 'call' | 'keys' | 'seconds' | 'json' | 'address' | 'port' | 'rtp-port' | 'from',
  ) => string | null
}): TrunkCheckCommand | { readonly kind: 'refused'; readonly text: string } {
  const { configurationFile, accept, text } = options
  const uri = text('call')
  if (accept === (uri !== null)) return refused('trunk-check needs either --call sip:NUMBER@TRUNK or --accept')
  const keys = numberIn(text('keys') ?? String(KEYS_USUAL), 1, KEYS_MAX)
  const seconds = numberIn(text('seconds') ?? String(SECONDS_USUAL), 1, SECONDS_MAX)
  const port = numberIn(text('port') ?? '0', 0, PORT_MAX)
  const rtpPort = numberIn(text('rtp-port') ?? '0', 0, PORT_MAX)
  const address = text('address')
  const from = text('from') ?? 'tonewall'
  if (keys === null) return refused(`--keys is a number from 1 to ${KEYS_MAX}`)
  if (seconds === null) return refused(`--seconds is a number from 1 to ${SECONDS_MAX}`)
  if (port === null) return refused(`--port is a number from 0 to ${PORT_MAX}`)
  if (rtpPort === null || rtpPort % 2 !== 0) return refused('--rtp-port is an even number: RTCP takes the next')
  if (address !== null && isIP(address) === 0) return refused('--address is an IP address of this machine')
  if (!FROM.test(from)) return refused('--from is a number or user name')
  return {
    kind: 'trunk-check',
    mode: uri === null ? { kind: 'accept' } : { kind: 'call', uri },
    configurationFile,
    keys,
    seconds,
    json: text('json'),
    address,
    port,
    rtpPort,
    from,
  }
}

function numberIn(text: string, min: number, max: number): number | null {
  if (!/^\d{1,5}$/.test(text)) return null
  const value = Number(text)
  return value >= min && value <= max ? value : null
}

function refused(text: string): { readonly kind: 'refused'; readonly text: string } {
  return { kind: 'refused', text }
}
