import { connect, getCiphers, type SecureVersion, type TLSSocket } from 'node:tls'
import { roleName } from '../../kit/identity.ts'
import type { Configuration, HostPort } from '../../wire/configuration.ts'

/** A port that speaks TLS. `mutual`: who shows no certificate must be turned away. */
export type TlsPort = HostPort & { readonly name: string; readonly serverName: string; readonly mutual: boolean }

/** What a port takes of one version: suites in the order in which it prefers them, by their IANA names. */
export type TlsVersionRow = { readonly version: SecureVersion; readonly suites: readonly string[] }

export type TlsRow = {
  readonly name: string
  readonly host: string
  readonly port: number
  /** Newest first. A version without suites was refused. Empty: nobody answered, or not in TLS. */
  readonly versions: readonly TlsVersionRow[]
  /** Of the certificate that it showed, SHA-256 in hex. */
  readonly certificate: string | null
  /** A client without a certificate was turned away; null where none is asked for by the configuration. */
  readonly refusesStrangers: boolean | null
}

/** On one machine a handshake takes milliseconds, on a busy one a second. */
const HANDSHAKE_MS_MAX = 8_000
/** In TLS 1.3 a server refuses behind its own side of the handshake: this long it may take to say so. */
const ALERT_MS_MAX = 2_000
/** Old versions and suites are too weak for OpenSSL, which would not even try them. */
const WEAK_TOO = ':@SECLEVEL=0'
const VERSIONS: readonly SecureVersion[] = ['TLSv1.3', 'TLSv1.2', 'TLSv1.1', 'TLSv1']
/** More suites than OpenSSL has for one version. */
const SUITES_MAX = 80

/** Every port of the configuration that speaks TLS, with the name that its certificate must have. */
export function tlsPorts({ guards, vault, sbc, desk, sip }: Configuration): readonly TlsPort[] {
  return [
    ...guards.map(({ name, host, port }) => ({ name, host, port, serverName: roleName('guard'), mutual: true })),
    { name: 'vault', host: vault.host, port: vault.port, serverName: roleName('vault'), mutual: true },
    ...(vault.api === null
      ? []
      : [
          {
            name: 'vault API',
            host: vault.api.host,
            port: vault.api.port,
            serverName: roleName('vault'),
            mutual: true,
          },
        ]),
    { name: 'sbc', host: sbc.host, port: sbc.port, serverName: roleName('sbc'), mutual: true },
    ...(desk.tls === null ? [] : [{ name: 'desk', host: desk.host, port: desk.port, serverName: '', mutual: false }]),
    ...(sip.server === 'drachtio' || sip.tls === null ? [] : sipPorts(sip.tls)),
  ]
}

function sipPorts({ addresses, mutual }: NonNullable<Configuration['sip']['tls']>): readonly TlsPort[] {
  return addresses.map(({ host, port, advertise }) => ({
    name: 'sipd',
    host,
    port,
    serverName: advertise ?? '',
    mutual,
  }))
}

/**
 * Shakes hands as often as it takes to learn all versions and suites of a port: a suite that was taken is left out the next
 * time. Sends no data and shows no certificate, so the port counts each as a refusal, which is the proof that it does.
 */
export async function probeTls(port: TlsPort): Promise<TlsRow> {
  const versions: TlsVersionRow[] = []
  let certificate: string | null = null
  let refusesStrangers: boolean | null = null
  for (const version of VERSIONS) {
    const suites: string[] = []
    let left = suitesOf(version)
    while (left.length > 0 && suites.length < SUITES_MAX) {
      const shake = await shakeHands(port, version, left)
      if (shake === 'unanswered') return { ...placeOf(port), versions: [], certificate: null, refusesStrangers: null }
      if (shake === 'refused') break
      certificate ??= shake.certificate
      refusesStrangers = port.mutual ? (refusesStrangers ?? true) && shake.turnedAway : null
      suites.push(shake.standardName)
      left = left.filter((suite) => suite !== shake.name)
    }
    versions.push({ version, suites })
  }
  return { ...placeOf(port), versions, certificate, refusesStrangers }
}

type Shake = {
  /** As OpenSSL calls the suite, and as IANA does. */
  readonly name: string
  readonly standardName: string
  readonly certificate: string | null
  readonly turnedAway: boolean
}

function shakeHands(
  port: TlsPort,
  version: SecureVersion,
  suites: readonly string[],
): Promise<Shake | 'refused' | 'unanswered'> {
  return new Promise((resolve) => {
    let wasConnected = false
    let shake: Omit<Shake, 'turnedAway'> | null = null
    const socket = connect({
      host: port.host,
      port: port.port,
      ...(port.serverName === '' ? {} : { servername: port.serverName }),
      minVersion: version,
      maxVersion: version,
      ciphers: suites.join(':') + (version === 'TLSv1.3' ? '' : WEAK_TOO),
      // Whether its certificate is good is told elsewhere; here it is only read.
      rejectUnauthorized: false,
    })
    const timer = setTimeout(
      () => whenRead(() => end(shake === null ? 'unanswered' : { ...shake, turnedAway: false })),
      HANDSHAKE_MS_MAX,
    )
    const end = (result: Shake | 'refused' | 'unanswered'): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(result)
    }
    const gone = (): void => {
      if (shake !== null) end({ ...shake, turnedAway: true })
      else end(wasConnected ? 'refused' : 'unanswered')
    }
    socket.once('connect', () => (wasConnected = true))
    socket.once('secureConnect', () => {
      shake = whatWasAgreed(socket)
      if (port.mutual)
        setTimeout(
          () => whenRead(() => end({ ...(shake ?? whatWasAgreed(socket)), turnedAway: false })),
          ALERT_MS_MAX,
        ).unref()
      else end({ ...shake, turnedAway: false })
    })
    socket.on('error', gone)
    socket.once('close', gone)
    socket.resume()
  })
}

/** After a standstill of this process timers come first: what has arrived meanwhile is to be read before they count. */
function whenRead(then: () => void): void {
  setImmediate(() => setImmediate(() => setImmediate(then)))
}

function whatWasAgreed(socket: TLSSocket): Omit<Shake, 'turnedAway'> {
  const { name, standardName } = socket.getCipher()
  const { fingerprint256 } = socket.getPeerCertificate() as { readonly fingerprint256?: string }
  return { name, standardName, certificate: fingerprint256?.replaceAll(':', '').toLowerCase() ?? null }
}

/** All that this OpenSSL knows, its names in capitals. Suites of TLS 1.3 begin with TLS_. */
function suitesOf(version: SecureVersion): readonly string[] {
  return getCiphers()
    .map((name) => name.toUpperCase())
    .filter((name) => name.startsWith('TLS_') === (version === 'TLSv1.3'))
}

function placeOf({ name, host, port }: TlsPort): Pick<TlsRow, 'name' | 'host' | 'port'> {
  return { name, host, port }
}
