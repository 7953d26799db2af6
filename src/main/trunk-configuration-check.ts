import { isIP } from 'node:net'
import type { Configuration, SipTransport, TrunkConfiguration } from '../wire/configuration.ts'
import type { Report } from './configuration-check.ts'
import { isMissing } from './missing-file.ts'

/** What a schema cannot say of trunks: sides, addresses, transports that are served, files that exist. */
export function checkTrunks(configuration: Configuration, report: Report): void {
  for (const side of ['carrier', 'contact-centre'] as const) {
    if (configuration.trunks.some((trunk) => trunk.side === side)) continue
    report(['trunks'], `there is no trunk of side ${side}`, 'a call needs a carrier and a contact centre')
  }
  checkSources(configuration, report)
  configuration.trunks.forEach((trunk, index) => {
    const path = ['trunks', index]
    if (trunk.side === 'carrier' && trunk.agentHeader !== null) {
      report([...path, 'agentHeader'], 'a carrier has no agents', 'move it to the contact centre')
    }
    checkTransports(configuration, trunk, (key, problem, cure) => report([...path, ...key], problem, cure))
    checkSecrets(trunk, (key, problem, cure) => report([...path, ...key], problem, cure))
  })
}

function checkSources(configuration: Configuration, report: Report): void {
  const owners = new Map<string, number>()
  configuration.trunks.forEach((trunk, index) => {
    trunk.sources.forEach((source, at) => {
      const path = ['trunks', index, 'sources', at]
      if (!isAddressOrRange(source)) {
        report(
          path,
          'is neither an IP address nor a CIDR range',
          'write it like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32',
        )
      } else if ((owners.get(source) ?? index) !== index) {
        report(path, 'is a source of another trunk too', 'a request must fit one trunk: divide the addresses')
      }
      owners.set(source, index)
    })
  })
}

/** A transport that Tonewall listens on is the only one that it can also send by. */
function checkTransports(configuration: Configuration, trunk: TrunkConfiguration, report: Report): void {
  const { sip } = configuration
  const served: Readonly<Record<SipTransport, number>> = {
    udp: sip.udp.length,
    tcp: sip.tcp.length,
    tls: sip.tls?.addresses.length ?? 0,
  }
  trunk.targets.forEach(({ transport }, at) => {
    if (served[transport] > 0) return
    // A single `target` has no index; a reader finds the key all the same.
    const key = trunk.targets.length === 1 ? ['target'] : ['targets', at]
    report(
      [...key, 'transport'],
      `no address of sip.${transport} is there to send from`,
      `add one under sip.${transport}`,
    )
  })
  if (trunk.media.profile === 'srtp-sdes' && trunk.targets.some(({ transport }) => transport !== 'tls')) {
    report(
      ['media', 'profile'],
      'would send the media keys of SDES in clear SIP',
      'use transport tls for every target of this trunk, or srtp-dtls (RFC 4568 section 7)',
    )
  }
}

function checkSecrets(trunk: TrunkConfiguration, report: Report): void {
  const { credentials, registration, authentication } = trunk
  if (credentials !== null && isMissing(credentials.passwordFile)) {
    report(['credentials', 'passwordFile'], ...NO_FILE)
  }
  if (registration !== null && credentials === null) {
    report(['registration'], 'has nothing to answer the challenge of a registrar with', 'add credentials')
  }
  authentication?.users.forEach(({ passwordFile }, at) => {
    if (isMissing(passwordFile)) report(['authentication', 'users', at, 'passwordFile'], ...NO_FILE)
  })
}

const NO_FILE = ['there is no such file', 'write the password on its first line, mode 0600'] as const

export function checkRoutes(configuration: Configuration, report: Report): void {
  const sides = new Map(configuration.trunks.map((trunk) => [trunk.name, trunk.side]))
  configuration.routes.forEach((route, index) => {
    const path = ['routes', index]
    const targets = route.to.map(({ trunk }, at) => ({
      trunk,
      key: route.to.length === 1 ? ['to'] : ['to', at, 'trunk'],
    }))
    for (const { trunk, key } of [{ trunk: route.from, key: ['from'] }, ...targets]) {
      if (sides.has(trunk)) continue
      report([...path, ...key], 'no trunk has this name', `use one of: ${[...sides.keys()].join(', ')}`)
    }
    const from = sides.get(route.from)
    if (from !== undefined && targets.some(({ trunk }) => sides.get(trunk) === from)) {
      report(path, 'joins two trunks of one side', 'a call goes from a carrier to a contact centre or back')
    }
    const earlier = configuration.routes.findIndex(
      (other) => other.from === route.from && route.prefix.startsWith(other.prefix),
    )
    if (earlier < index) {
      report(path, 'is never reached: an earlier route fits first', 'put the longer prefix first')
    }
  })
}

function isAddressOrRange(source: string): boolean {
  const [address = '', bits, ...more] = source.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  if (bits === undefined) return true
  return /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
}
