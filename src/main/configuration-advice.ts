import { isIP } from 'node:net'
import type { ConfigurationProblem, KeyPath, ProblemAt } from '../kit/configuration-file.ts'
import type { Configuration, TrunkConfiguration } from '../wire/configuration.ts'
import { adviseOnRevocations } from './revocation-check.ts'

/** A range with a shorter prefix is no list of peers any more. */
const PREFIX_BITS_MIN = { 4: 8, 6: 19 } as const

type Advise = (path: KeyPath, problem: string, cure: string) => void

/** What may be so and seldom should be; none of it keeps a site from starting. */
export function adviseOn(configuration: Configuration, problemAt: ProblemAt): readonly ConfigurationProblem[] {
  const advice: ConfigurationProblem[] = []
  const advise: Advise = (path, problem, cure) => {
    advice.push(problemAt(path, { problem, cure }))
  }
  adviseOnNames(configuration, advise)
  configuration.trunks.forEach((trunk, index) => {
    adviseOnSources(trunk, index, advise)
    adviseOnMedia(trunk, index, advise)
  })
  adviseOnEmergencies(configuration, advise)
  adviseOnCertificates(configuration, advise)
  adviseOnRevocations(configuration, Date.now(), advise)
  adviseOnKeys(configuration, advise)
  return advice
}

/** A peer that checks our certificate against our Contact finds a number there, and certificates seldom name numbers. */
function adviseOnNames({ sip, trunks }: Configuration, advise: Advise): void {
  const isCalledByName = trunks.some(({ targets }) =>
    targets.some(({ transport, host }) => transport === 'tls' && isIP(host) === 0),
  )
  sip.tls?.addresses.forEach(({ advertise }, index) => {
    if (advertise !== undefined || !isCalledByName) return
    advise(
      ['sip', 'tls', 'addresses', index],
      'shows TLS peers an address, and they may look for the name in our certificate',
      'add advertise with that name',
    )
  })
}

function adviseOnSources(trunk: TrunkConfiguration, index: number, advise: Advise): void {
  const { sources, targets, authentication } = trunk
  sources.forEach((source, at) => {
    const [address = '', bits] = source.split('/')
    const least = isIP(address) === 6 ? PREFIX_BITS_MIN[6] : PREFIX_BITS_MIN[4]
    if (bits === undefined || Number(bits) >= least || authentication !== null) return
    advise(
      ['trunks', index, 'sources', at],
      'lets everybody in a large part of the Internet call by this trunk',
      'name the addresses of the peer, or add authentication',
    )
  })
  // A source that is a range may hold it; only plain addresses are compared.
  const isPlain = sources.every((source) => !source.includes('/'))
  targets.forEach(({ host }, at) => {
    if (!isPlain || isIP(host) === 0 || sources.includes(host)) return
    advise(
      ['trunks', index, ...(targets.length === 1 ? ['target'] : ['targets', at]), 'host'],
      'is not among the sources of its trunk, so that calls from there are not taken',
      'add it to sources, unless it never calls',
    )
  })
}

function adviseOnMedia(trunk: TrunkConfiguration, index: number, advise: Advise): void {
  const { media, targets } = trunk
  const isOfferedPlain = media.profile === 'rtp' || media.profile === 'any'
  if (!isOfferedPlain || targets.some(({ transport }) => transport !== 'tls')) return
  advise(
    ['trunks', index, 'media', 'profile'],
    'encrypts SIP, and the audio that we offer is in clear',
    'write media: { profile: srtp-sdes }, if the peer takes SRTP',
  )
}

function adviseOnEmergencies({ sip, trunks, routes }: Configuration, advise: Advise): void {
  trunks.forEach(({ name, side }) => {
    const from = routes.filter((route) => route.from === name)
    // Who calls for help sits at a telephone of the contact centre.
    if (side === 'carrier' || from.length === 0) return
    const missing = sip.emergencyNumbers.filter((number) => !from.some(({ prefix }) => number.startsWith(prefix)))
    if (missing.length === 0) return
    advise(
      ['routes'],
      `lead no call of ${name} to ${missing.join(', ')}`,
      'add a route for emergency numbers, or take those that are none out of sip.emergencyNumbers',
    )
  })
}

/** Whoever copies the disk has key and data together (PCI DSS 3.6.1.2). */
function adviseOnKeys({ vault }: Configuration, advise: Advise): void {
  if (vault.keys.kek.provider !== 'file') return
  advise(
    ['vault', 'keys', 'provider'],
    'keeps the key-encryption key in a file beside what it protects, which is for development only',
    'write provider: pkcs11, aws-kms, transit or custodians, before cards are real',
  )
}

function adviseOnCertificates({ certificates, sip }: Configuration, advise: Advise): void {
  const listening = [...sip.udp, ...sip.tcp, ...(sip.tls?.addresses ?? [])]
  if (!certificates.development || listening.every(({ host }) => host === '::1' || host.startsWith('127.'))) return
  advise(
    ['certificates', 'development'],
    'has processes prove themselves by an authority whose key lies on this machine',
    'bring certificates of your own and write development: false, before cards are real',
  )
}
