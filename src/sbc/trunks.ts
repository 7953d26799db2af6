import { BlockList, isIP } from 'node:net'
import type { RouteConfiguration, TrunkConfiguration } from '../wire/configuration.ts'
import type { Party } from './party.ts'

export type Trunk = TrunkConfiguration & { readonly party: Party }

/** Which trunk a request comes from, by its source address, and where a number goes. */
export class Trunks {
  readonly #trunks: readonly { readonly trunk: Trunk; readonly sources: BlockList }[]
  readonly #routes: readonly RouteConfiguration[]

  constructor(options: {
    readonly trunks: readonly TrunkConfiguration[]
    readonly routes: readonly RouteConfiguration[]
  }) {
    this.#trunks = options.trunks.map((trunk) => ({
      trunk: { ...trunk, party: trunk.side === 'carrier' ? 'payer' : 'agent' },
      sources: blockList(trunk.sources),
    }))
    this.#routes = options.routes
  }

  /** The first trunk whose sources hold the address, or null for a stranger. */
  bySource(address: string): Trunk | null {
    const family = isIP(address)
    if (family === 0) return null
    return this.#trunks.find(({ sources }) => sources.check(address, family === 6 ? 'ipv6' : 'ipv4'))?.trunk ?? null
  }

  /** The trunk that the first fitting route names, or null. */
  route(options: { readonly from: string; readonly number: string }): Trunk | null {
    const route = this.#routes.find(
      (candidate) => candidate.from === options.from && options.number.startsWith(candidate.prefix),
    )
    return this.#trunks.find(({ trunk }) => trunk.name === route?.to[0].trunk)?.trunk ?? null
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
