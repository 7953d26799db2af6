import { listenChannel, type ChannelListener, type ChannelRefusal } from '../../kit/channel.ts'
import type { RefusedPeer } from '../../kit/refusals.ts'
import { roleName, type Identity } from '../../kit/identity.ts'
import type { Logger } from '../../kit/log.ts'
import { parseVaultOrder, type VaultOrder, type VaultOrderReply } from '../vault-operator-protocol.ts'
import { parseVaultMessage, type Rinse, type VaultReply, type VaultRequest } from '../vault-protocol.ts'
import { rolesAllowed } from './permissions.ts'
import type { VaultOrders } from './vault-orders.ts'
import type { VaultService } from './vault-service.ts'

/**
 * The vault's door: channels over mutual TLS 1.3, for the roles that may ask for something. Rejects with the system's error when
 * the port is taken. A message that is not understood is refused and written down, and does not end the channel.
 */
export function listenVault(options: {
  readonly host: string
  readonly port: number
  readonly identity: Identity
  readonly service: VaultService
  readonly orders: VaultOrders
  readonly logger: Logger
  readonly refused?: (code: ChannelRefusal) => void
  readonly record?: (refused: RefusedPeer<ChannelRefusal>) => void
}): Promise<ChannelListener> {
  const { host, port, identity, service, orders, logger } = options
  return listenChannel<
    VaultReply | VaultOrderReply,
    VaultRequest | Rinse | VaultOrder | { readonly type: 'malformed' }
  >({
    host,
    port,
    identity,
    logger,
    ...(options.refused === undefined ? {} : { refused: options.refused }),
    ...(options.record === undefined ? {} : { record: options.record }),
    allow: [...rolesAllowed(), 'operator'],
    accept: (role) => ({
      parse: (value) =>
        (role === 'operator' ? parseVaultOrder(value) : parseVaultMessage(value)) ?? { type: 'malformed' },
      message: (message, body, reply) => {
        if (message.type === 'rinse') return
        if (role === 'operator' || message.type === 'operator') {
          const order = message.type === 'operator' ? message : null
          void orders.handle(order, body, { role, origin: roleName(role) }).then((answer) => reply(answer))
          return
        }
        void service.handle(message, body, { role, origin: roleName(role) }).then((answer) => reply(answer))
      },
      closed: () => logger.info({ peerRole: role }, 'channel closed'),
      opened: () => logger.info({ peerRole: role }, 'channel opened'),
    }),
  })
}
