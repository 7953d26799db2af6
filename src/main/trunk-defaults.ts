import type {
  NumberRule,
  RouteConfiguration,
  RouteTarget,
  SipCredentials,
  TrunkConfiguration,
  TrunkMedia,
  TrunkTarget,
} from '../wire/configuration.ts'

type WrittenTarget = Pick<TrunkTarget, 'host'> & Partial<TrunkTarget>
type WrittenRule = Partial<NumberRule>

/** A trunk as sbc-config/tonewall.schema.json lets it through: one `target`, or several `targets`. */
export type WrittenTrunk = Pick<TrunkConfiguration, 'name' | 'side' | 'sources'> &
  Partial<
    Pick<TrunkConfiguration, 'agentHeader' | 'lookAheadMs' | 'masking' | 'merchant' | 'trusted' | 'transfers'>
  > & {
    readonly target?: WrittenTarget
    readonly targets?: readonly WrittenTarget[]
    readonly health?: Partial<NonNullable<TrunkConfiguration['health']>> | null
    readonly numbers?: { readonly in?: readonly WrittenRule[]; readonly out?: readonly WrittenRule[] }
    readonly headers?: Partial<TrunkConfiguration['headers']>
    readonly credentials?: SipCredentials | null
    readonly registration?: {
      readonly user: string
      readonly domain?: string
      readonly expiresSeconds?: number
    } | null
    readonly authentication?: TrunkConfiguration['authentication']
    readonly limits?: Partial<TrunkConfiguration['limits']>
    readonly media?: Partial<TrunkMedia>
  }

/** Carriers and PBXs answer OPTIONS; a target that does not is out after a minute and back after two answers. */
const HEALTH = { everySeconds: 20, downAfter: 3, upAfter: 2 }
const PRIORITY = 1
const WEIGHT = 100
/** RFC 3261 section 10.2.1.1 names an hour for a registrar's own default; NAT in between forgets sooner. */
const EXPIRES_SECONDS = 600
const MEDIA: TrunkMedia = {
  profile: 'any',
  ice: false,
  family: null,
  packetMs: null,
  t38: 'refuse',
  video: 'refuse',
}

/** Completes what was left out of a trunk. Throws when it names no target, which the schema does not let through. */
export function completeTrunk(
  trunk: WrittenTrunk,
  options: { readonly file: (name: string) => string; readonly lookAheadMs: number },
): TrunkConfiguration {
  const { file } = options
  const [first, ...others] = (trunk.targets ?? (trunk.target === undefined ? [] : [trunk.target])).map(completeTarget)
  if (first === undefined) throw new Error('a trunk needs a target')
  return {
    name: trunk.name,
    side: trunk.side,
    sources: trunk.sources,
    targets: [first, ...others],
    health: trunk.health === undefined ? HEALTH : trunk.health === null ? null : { ...HEALTH, ...trunk.health },
    numbers: { in: rulesOf(trunk.numbers?.in), out: rulesOf(trunk.numbers?.out) },
    trusted: trunk.trusted ?? trunk.side === 'contact-centre',
    headers: { in: trunk.headers?.in ?? [], out: trunk.headers?.out ?? [] },
    credentials: trunk.credentials ? credentialsOf(trunk.credentials, file) : null,
    registration: trunk.registration
      ? {
          user: trunk.registration.user,
          domain: trunk.registration.domain ?? first.host,
          expiresSeconds: trunk.registration.expiresSeconds ?? EXPIRES_SECONDS,
        }
      : null,
    authentication: trunk.authentication
      ? {
          realm: trunk.authentication.realm,
          users: trunk.authentication.users.map((user) => credentialsOf(user, file)),
        }
      : null,
    limits: { callsPerSecond: trunk.limits?.callsPerSecond ?? null, calls: trunk.limits?.calls ?? null },
    media: { ...MEDIA, ...trunk.media },
    merchant: trunk.merchant ?? null,
    transfers: trunk.transfers ?? (trunk.side === 'contact-centre' ? 'follow' : 'refuse'),
    agentHeader: trunk.agentHeader ?? null,
    lookAheadMs: trunk.lookAheadMs ?? options.lookAheadMs,
    masking: trunk.masking ?? 'talk-through',
  }
}

/** `to` is the name of a trunk, or several with priority and weight. */
export type WrittenRoute = {
  readonly from: string
  readonly prefix?: string
  readonly merchant?: string
  readonly to: string | readonly (Pick<RouteTarget, 'trunk'> & Partial<RouteTarget>)[]
}

/** Completes what was left out of a route. Throws when it leads nowhere, which the schema does not let through. */
export function completeRoute(route: WrittenRoute): RouteConfiguration {
  const written = typeof route.to === 'string' ? [{ trunk: route.to }] : route.to
  const [first, ...others] = written.map((target): RouteTarget => ({ priority: PRIORITY, weight: WEIGHT, ...target }))
  if (first === undefined) throw new Error('a route needs a trunk')
  return { from: route.from, prefix: route.prefix ?? '', to: [first, ...others], merchant: route.merchant ?? null }
}

function completeTarget(target: WrittenTarget): TrunkTarget {
  return {
    host: target.host,
    port: target.port ?? null,
    transport: target.transport ?? 'udp',
    priority: target.priority ?? PRIORITY,
    weight: target.weight ?? WEIGHT,
  }
}

function rulesOf(rules: readonly WrittenRule[] | undefined): readonly NumberRule[] {
  return (rules ?? []).map((rule) => ({
    prefix: rule.prefix ?? '',
    strip: rule.strip ?? 0,
    prepend: rule.prepend ?? '',
  }))
}

function credentialsOf(credentials: SipCredentials, file: (name: string) => string): SipCredentials {
  return { user: credentials.user, passwordFile: file(credentials.passwordFile) }
}
