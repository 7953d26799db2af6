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
  readonly certificates: { readonly folder: string; readonly development: boolean }
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly sip: SipConfiguration
  readonly trunks: readonly TrunkConfiguration[]
  readonly routes: readonly RouteConfiguration[]
  readonly rtpengines: readonly RtpengineConfiguration[]
  readonly guards: readonly GuardConfiguration[]
  readonly vault: HostPort & { readonly folder: string; readonly connectorUrl: string | null }
  /** Where the sbc listens for desks. */
  readonly sbc: HostPort
  readonly desk: DeskConfiguration
  readonly forms: readonly FormConfiguration[]
  readonly merchant: string
  /** Prometheus endpoints, one a process. */
  readonly metrics: {
    readonly host: string
    readonly ports: { readonly sipd: number; readonly sbc: number; readonly vault: number; readonly desk: number }
  }
}

export type SipConfiguration = {
  /** Where calls arrive. */
  readonly udp: readonly HostPort[]
  readonly tcp: readonly HostPort[]
  /** The drachtio control protocol; 'embedded' starts sipd there, 'drachtio' connects to a drachtio-server that runs already. */
  readonly server: 'embedded' | 'drachtio'
  readonly control: HostPort
  readonly secretFile: string
}

/** A trunk is told by the source address of a request; a carrier is the payer's side, a contact centre the agent's. */
export type TrunkConfiguration = {
  readonly name: string
  readonly side: 'carrier' | 'contact-centre'
  /** Addresses or CIDR ranges that may send requests. */
  readonly sources: readonly string[]
  /** Where calls to this trunk are sent. */
  readonly target: HostPort & { readonly transport: 'udp' | 'tcp' }
  /** contact-centre: the header that names the agent, or null for the user of the answering Contact or the Request-URI. */
  readonly agentHeader: string | null
  readonly lookAheadMs: number
  readonly masking: Masking
}

/** The first route that fits is taken: calls from a trunk to a number with a prefix go to a trunk. */
export type RouteConfiguration = { readonly from: string; readonly prefix: string; readonly to: string }

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
