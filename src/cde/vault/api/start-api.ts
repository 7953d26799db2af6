import type { ChannelRefusal } from '../../../kit/channel.ts'
import type { Identity } from '../../../kit/identity.ts'
import type { Logger } from '../../../kit/log.ts'
import type { RefusedPeer } from '../../../kit/refusals.ts'
import { within } from '../../../kit/within.ts'
import type { VaultApiConfiguration } from '../../../wire/vault-api-configuration.ts'
import { listenApi, type ApiListener } from './api-server.ts'
import { ApiService } from './api-service.ts'
import type { OperationParts } from './operations.ts'

/** Requests under way get this long to finish at close; an acquirer takes ten seconds at most, and will be asked again. */
const CLOSE_MS = 5_000

/** Opens the vault's API for systems of the CDE. Rejects with the system's error when the port is taken. */
export async function startApi(
  { host, port, clients }: VaultApiConfiguration,
  options: {
    readonly parts: OperationParts
    readonly identity: Identity
    readonly logger: Logger
    /** Counts who is turned away, with those of the vault's other door. */
    readonly refused: (code: ChannelRefusal) => void
    readonly record: (refused: RefusedPeer<ChannelRefusal>) => void
    readonly clockMs?: () => number
    readonly closeMs?: number
  },
): Promise<ApiListener> {
  const { parts, identity, logger, refused, record, clockMs = () => performance.now(), closeMs = CLOSE_MS } = options
  const service = new ApiService({ parts, clients, logger, clockMs })
  const listener = await listenApi({ host, port, identity, service, logger, record, refused })
  logger.info({ port: listener.port, count: clients.length }, 'the API of the vault listens')
  return {
    port: listener.port,
    close: async () => {
      await within(service.close(), closeMs, undefined)
      await listener.close()
    },
  }
}
