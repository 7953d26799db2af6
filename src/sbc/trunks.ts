import { BlockList, isIP } from 'node:net'
import type { RouteConfiguration, TrunkConfiguration } from '../wire/configuration.ts'
import type { Party } from './party.ts'
import { weightedOrder } from './weighted-order.ts'

export type Trunk = TrunkConfiguration & { readonly party: Party }

/** Which trunk a request comes from, by its source address, and where a number goes. */
export class Trunks {
  readonly #trunks: readonly { readonly trunk: Trunk; readonly sources: BlockList }[]
  readonly #routes: readonly RouteConfiguration[]
  readonly #chance: () => number

  /** `chance` gives 0 to below 1, for trunks that share the calls of a route. */
  constructor(options: {
    readonly trunks: readonly TrunkConfiguration[]
    readonly routes: readonly RouteConfiguration[]
    readonly chance?: () => number
  }) {
    this.#trunks = options.trunks.map((trunk) => ({
      trunk: { ...trunk, party: trunk.side === 'carrier' ? 'payer' : 'agent' },
      sources: blockList(trunk.sources),
    }))
    this.#routes = options.routes
    this.#chance = options.chance ?? Math.random
  }

  all(): readonly Trunk[] {
    return this.#trunks.map(({ trunk }) => trunk)
  }

  /** The first trunk whose sources hold the address, or null for a stranger. */
  bySource(address: string): Trunk | null {
    const family = isIP(address)
    if (family === 0) return null
    return this.#trunks.find(({ sources }) => sources.check(address, family === 6 ? 'ipv6' : 'ipv4'))?.trunk ?? null
  }

  /** The trunks that the first fitting route names, in the order in which this call tries them; none: no route. */
  route(options: { readonly from: string; readonly number: string }): readonly Trunk[] {
    return weightedOrder(this.#fitting(options)?.to ?? [], this.#chance).flatMap(({ trunk: name }) =>
      this.#trunks.filter(({ trunk }) => trunk.name === name).map(({ trunk }) => trunk),
    )
  }

  /** Whose cards are taken on calls of that route, as it says; null when it leaves that to its trunks. */
  routeMerchant(options: { readonly from: string; readonly number: string }): string | null {
    return this.#fitting(options)?.merchant ?? null
  }

  #fitting({ from, number }: { readonly from: string; readonly number: string }): RouteConfiguration | undefined {
    return this.#routes.find((candidate) => candidate.from === from && number.startsWith(candidate.prefix))
  }
}

function blockList(sources: readonly string[]): BlockList {
  const list = new BlockList()
  for (const source of sources) {
    const [address = '', bits] = source.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}
