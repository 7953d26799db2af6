import type { AuditConfiguration } from './audit-configuration.ts'
import type { KeysConfiguration } from './key-configuration.ts'
import type { MerchantConfiguration, VaultApiConfiguration } from './vault-api-configuration.ts'
import type { Brand, FieldName, Masking } from './window-progress.ts'

/**
 * The configuration after it was read from YAML, checked against sbc-config/tonewall.schema.json and completed with
 * defaults; file names are absolute. Each process is handed only what it needs of it.
 */
export type HostPort = { readonly host: string; readonly port: number }

export type Configuration = {
  /** Data, sockets and development secrets live below this folder. */
  readonly dataFolder: string
  /** Certificates: ca.crt, <role>.crt, <role>.key. `development`: make what is missing. */
  readonly certificates: {
    readonly folder: string
    readonly development: boolean
    /** A CRL, PEM, read again whenever it changes; null: nothing is taken back. */
    readonly revoked: string | null
  }
  /** Who each process runs as when root starts the site, by name or number; null: accounts without a name. */
  readonly users: Readonly<Record<AccountName, string>> | null
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly sip: SipConfiguration
  readonly trunks: readonly TrunkConfiguration[]
  readonly routes: readonly RouteConfiguration[]
  readonly rtpengines: readonly RtpengineConfiguration[]
  readonly guards: readonly GuardConfiguration[]
  readonly vault: HostPort & {
    readonly folder: string
    readonly connectorUrl: string | null
    /** Where tokens and sealed cards are kept: a file in `folder`, or the database of `postgresql`. */
    readonly store: 'sqlite' | 'postgresql'
    readonly postgresql: PostgresqlConfiguration | null
    /** At least the one of the site's own calls, which is first. */
    readonly merchants: readonly MerchantConfiguration[]
    /** Whose cards guards may take; the site's own is first. */
    readonly guardMerchants: readonly string[]
    /** null: it has none. */
    readonly api: VaultApiConfiguration | null
    readonly keys: KeysConfiguration
  }
  readonly audit: AuditConfiguration
  /** Where the sbc listens for desks. */
  readonly sbc: HostPort
  readonly desk: DeskConfiguration
  readonly forms: readonly FormConfiguration[]
  readonly merchant: string
  /** Homer: every SIP message, keys taken out, as HEP3 over UDP. */
  readonly homer: (HostPort & { readonly captureId: number }) | null
  /** A folder for call records as JSON lines, a file a day; null: none. */
  readonly callRecords: string | null
  /** Prometheus endpoints, one a process. */
  readonly metrics: {
    readonly host: string
    readonly ports: { readonly sipd: number; readonly sbc: number; readonly vault: number; readonly desk: number }
  }
}

/** What runs as a user of its own. */
export type AccountName = 'sipd' | 'sbc' | 'guard' | 'vault' | 'desk' | 'rtpengine'

/** A host that begins with a slash is the folder of a server's socket. */
export type PostgresqlConfiguration = HostPort & {
  /** Tried when `host` does not take writes: what may be promoted. */
  readonly standbys: readonly HostPort[]
  readonly database: string
  readonly user: string
  /** null: the certificate, or the socket's user, is proof enough. */
  readonly passwordFile: string | null
  /** null: none, which only this machine's own server may be spoken to with. */
  readonly tls: { readonly authority: string; readonly certificate: string | null; readonly key: string | null } | null
}

export type SipTransport = 'udp' | 'tcp' | 'tls'

export type SipConfiguration = {
  /** Where calls arrive. */
  readonly udp: readonly SipAddress[]
  readonly tcp: readonly SipAddress[]
  /** null: no TLS. */
  readonly tls: SipTlsConfiguration | null
  /** DNS servers for RFC 3263; empty: the system's. */
  readonly resolvers: readonly HostPort[]
  /** RFC 4028, in seconds; null: none is asked for. */
  readonly sessionTimer: { readonly seconds: number; readonly minSeconds: number } | null
  /** What a source that fits no trunk, or a scanner, gets: nothing, or 403. */
  readonly strangers: 'drop' | 'refuse'
  /** Numbers that are never captured and never limited, such as 112 and 911. */
  readonly emergencyNumbers: readonly string[]
  /** The drachtio control protocol; 'embedded' starts sipd there, 'drachtio' connects to a drachtio-server that runs already. */
  readonly server: 'embedded' | 'drachtio'
  readonly control: HostPort
  readonly secretFile: string
}

/** advertise: what Via, Contact and From show instead of `host`: our domain, or the address of a NAT before us. */
export type SipAddress = HostPort & { readonly advertise?: string }

/**
 * PEM files. `authority` signs the peers' certificates, null: the public ones do; `mutual`: a client must show one;
 * `wildcards`: a peer's certificate may name *.example.com; `revoked`: a CRL, read again whenever it changes, null: nothing is taken back.
 */
export type SipTlsConfiguration = {
  readonly addresses: readonly SipAddress[]
  readonly certificate: string
  readonly key: string
  readonly authority: string | null
  readonly mutual: boolean
  readonly wildcards: boolean
  readonly revoked: string | null
}

/** The password is the file's first line. */
export type SipCredentials = { readonly user: string; readonly passwordFile: string }

/** host: an address or a name; port null: as DNS says (RFC 3263). The lowest priority is tried first, weights share it. */
export type TrunkTarget = {
  readonly host: string
  readonly port: number | null
  readonly transport: SipTransport
  readonly priority: number
  readonly weight: number
}

/** The first rule whose prefix fits is applied: so many leading characters off, then `prepend` before. */
export type NumberRule = { readonly prefix: string; readonly strip: number; readonly prepend: string }

export type TrunkMedia = {
  /** any: what the peer offers; where we offer, plain RTP. */
  readonly profile: 'rtp' | 'srtp-sdes' | 'srtp-dtls' | 'any'
  readonly ice: boolean
  readonly family: 'ipv4' | 'ipv6' | null
  /** RFC 4566 ptime, or null: as the peers have it. */
  readonly packetMs: number | null
  readonly t38: 'refuse' | 'pass'
  readonly video: 'refuse' | 'pass'
}

/** A trunk is told by the source address of a request; a carrier is the payer's side, a contact centre the agent's. */
export type TrunkConfiguration = {
  readonly name: string
  readonly side: 'carrier' | 'contact-centre'
  /** Addresses or CIDR ranges that may send requests. */
  readonly sources: readonly string[]
  /** Where calls to this trunk are sent; at least one. */
  readonly targets: readonly [TrunkTarget, ...TrunkTarget[]]
  /** OPTIONS to every target; so many unanswered take it out, so many answered bring it back. null: not asked. */
  readonly health: { readonly everySeconds: number; readonly downAfter: number; readonly upAfter: number } | null
  /** Called and calling numbers: of calls from this trunk, and of calls to it. */
  readonly numbers: { readonly in: readonly NumberRule[]; readonly out: readonly NumberRule[] }
  /** In the trust domain of RFC 3325: its identities are believed, and it is told those that ask for privacy. */
  readonly trusted: boolean
  /** Names of further headers that pass: of INVITEs from this trunk, and of INVITEs to it; `X-*` for a beginning. */
  readonly headers: { readonly in: readonly string[]; readonly out: readonly string[] }
  /** What our requests to this trunk answer a challenge with. */
  readonly credentials: SipCredentials | null
  /** The sbc registers at the first target. `user`: of the address of record, whose domain is `domain`. */
  readonly registration: { readonly user: string; readonly domain: string; readonly expiresSeconds: number } | null
  /** Requests from this trunk must prove one of these users (RFC 8760). */
  readonly authentication: { readonly realm: string; readonly users: readonly SipCredentials[] } | null
  /** For each source address; null: no limit. Emergency calls are not counted. */
  readonly limits: { readonly callsPerSecond: number | null; readonly calls: number | null }
  readonly media: TrunkMedia
  /** Whose cards are taken on its calls; null: as the trunk across has it, else the site's own. */
  readonly merchant: string | null
  /** What becomes of a REFER from this trunk. */
  readonly transfers: 'follow' | 'refuse'
  /** contact-centre: the header that names the agent, or null for the user of the answering Contact or the Request-URI. */
  readonly agentHeader: string | null
  readonly lookAheadMs: number
  readonly masking: Masking
}

/**
 * The first route that fits is taken: calls from a trunk to a number with a prefix go to these trunks, the lowest priority
 * first, weights sharing it; the next when one cannot take the call.
 */
export type RouteConfiguration = {
  readonly from: string
  readonly prefix: string
  readonly to: readonly [RouteTarget, ...RouteTarget[]]
  /** Whose cards are taken on its calls; null: as the trunks have it. */
  readonly merchant: string | null
}
export type RouteTarget = { readonly trunk: string; readonly priority: number; readonly weight: number }

export type RtpengineConfiguration = HostPort & {
  readonly name: string
  /** null: runs already, somewhere else. Otherwise Tonewall starts it, in userspace. */
  readonly start: { readonly interface: string; readonly portMin: number; readonly portMax: number } | null
}

/** A guard runs on the host of its rtpengine; `media` is the address that rtpengine reaches it by. */
export type GuardConfiguration = HostPort & {
  readonly name: string
  readonly rtpengine: string
  readonly media: string
  readonly windowsMax: number
  readonly metricsPort: number
}

export type DeskConfiguration = HostPort & {
  /** PEM files; null: plain HTTP, for loopback or behind a TLS proxy. */
  readonly tls: { readonly certificate: string; readonly key: string } | null
  readonly agents: readonly AgentConfiguration[]
}

/** An agent sees only calls of `name`; a supervisor or a system with role 'all' sees every call. The bearer token is the file's first line. */
export type AgentConfiguration = { readonly name: string; readonly role: 'agent' | 'all'; readonly tokenFile: string }

export type FormConfiguration = {
  readonly name: string
  readonly fields: readonly FieldName[]
  readonly brands: readonly Brand[]
  readonly tries: number
  readonly interDigitMs: number
  readonly totalMs: number
  readonly coolDownMs: number
}
