import { parseSipUri } from './uri.ts'

/** How an application wants a request to be proxied. */
export type ProxyOrder = {
  /** Record-Route: later requests of the dialog come this way too. */
  readonly remainInDialog: boolean
  /** The application hears of every final response, not only that the proxying is over. */
  readonly fullResponse: boolean
  readonly followRedirects: boolean
  /** All destinations at once, or one after the other. */
  readonly simultaneous: boolean
  /** How long one destination may take to its first and to its final response; undefined: as long as RFC 3261 allows. */
  readonly provisionalMs: number | undefined
  readonly finalMs: number | undefined
  readonly destinations: readonly string[]
}

/** Destinations of one request, redirections included: a group of telephones rings at most so many. */
export const DESTINATIONS_MAX = 16

/** A longer wait than for an answer to an INVITE is never meant. */
const WAIT_MS_MAX = 600_000

/**
 * Reads the fields of a proxy frame behind its transaction id: three flags, which are on when they are not empty, the
 * mode, two waits (`2s`, `1500ms` or empty) and the destinations. Undefined when there is no destination, too many, or
 * one of the rest cannot be read.
 */
export function parseProxyOrder(fields: readonly string[]): ProxyOrder | undefined {
  const [remain = '', full = '', follow = '', mode = '', provisional = '', final = '', ...written] = fields
  const destinations = written.filter((destination) => destination !== '').map(destinationOf)
  const provisionalMs = waitOf(provisional)
  const finalMs = waitOf(final)
  if (provisionalMs === 'invalid' || finalMs === 'invalid') return undefined
  if (mode !== 'simultaneous' && mode !== 'serial') return undefined
  if (destinations.length === 0 || destinations.length > DESTINATIONS_MAX) return undefined
  const readable = destinations.filter((destination) => destination !== undefined)
  if (readable.length < destinations.length) return undefined
  return {
    remainInDialog: remain !== '',
    fullResponse: full !== '',
    followRedirects: follow !== '',
    simultaneous: mode === 'simultaneous',
    provisionalMs,
    finalMs,
    destinations: readable,
  }
}

/** drachtio-srf writes `sip:` before a sips URI, since it knows only sip and tel. */
function destinationOf(written: string): string | undefined {
  const uri = /^sip:sips:/i.test(written) ? written.slice('sip:'.length) : written
  return parseSipUri(uri) === undefined ? undefined : uri
}

function waitOf(written: string): number | 'invalid' | undefined {
  if (written === '') return undefined
  const parts = /^(\d{1,7})(ms|s)$/.exec(written)
  if (parts === null) return 'invalid'
  return Math.min(Number(parts[1]) * (parts[2] === 's' ? 1_000 : 1), WAIT_MS_MAX)
}
