import { listenChannel, type ChannelListener, type ChannelRefusal } from '../../kit/channel.ts'
import type { RefusedPeer } from '../../kit/refusals.ts'
import type { Identity } from '../../kit/identity.ts'
import type { Logger } from '../../kit/log.ts'
import { parseSbcToGuard, type AuditReport, type GuardToSbc, type SbcToGuard } from '../../wire/guard-protocol.ts'
import type { OpenWindows, SbcChannel, WindowOwner } from './open-windows.ts'
import type { SelfTests } from './self-test/self-tests.ts'

export type GuardServerOptions = {
  readonly host: string
  readonly port: number
  readonly identity: Identity
  readonly windows: OpenWindows
  readonly selfTests: SelfTests
  readonly windowsMax: number
  /** Takes what people did for the audit record. False when there is no room for it. */
  readonly report: (report: AuditReport) => boolean
  readonly logger: Logger
  readonly refused?: (code: ChannelRefusal) => void
  /** For the audit record; nowhere when left out. */
  readonly record?: (refused: RefusedPeer<ChannelRefusal>) => void
}

/** The guard's door: sbcs, and nobody else, give orders over mutual TLS. Each says who it is and is greeted with what it has open already. */
export function listenForSbcs(options: GuardServerOptions): Promise<ChannelListener> {
  const { host, port, identity, windows, selfTests, windowsMax, logger } = options
  return listenChannel<GuardToSbc, SbcToGuard>({
    host,
    port,
    identity,
    allow: ['sbc'],
    logger,
    ...(options.refused === undefined ? {} : { refused: options.refused }),
    ...(options.record === undefined ? {} : { record: options.record }),
    accept: () => {
      let channel: SbcChannel | null = null
      let owner: WindowOwner | null = null
      return {
        parse: parseSbcToGuard,
        opened: (opened) => {
          channel = opened
          logger.info({ peerRole: opened.peer }, 'an sbc connected')
        },
        message: (order, body, reply) => {
          // No order has a body; one that came is no business of ours.
          body.fill(0)
          if (channel === null) return
          if (order.type === 'sbc.hello') {
            // Said once; who it is does not change in between.
            owner ??= { name: order.owner, channel }
            channel.send({ type: 'guard.hello', windowsOpen: windows.idsOf(owner.name), windowsMax })
            return
          }
          if (order.type === 'audit.report') {
            return reply(options.report(order) ? { type: 'ok' } : { type: 'refused', code: 'wrong_state' })
          }
          if (owner === null) return reply({ type: 'refused', code: 'wrong_state' })
          switch (order.type) {
            case 'selftest.begin':
            case 'selftest.connect':
            case 'selftest.play':
            case 'selftest.judge':
            case 'selftest.end':
              void selfTests.order(order, channel, reply)
              return
            case 'window.prepare':
            case 'window.connect':
            case 'window.capture':
            case 'window.clear':
            case 'window.cancel':
            case 'window.drain':
            case 'window.resume':
            case 'window.release':
            case 'window.count':
            case 'window.info':
              windows.order(order, owner, reply)
          }
        },
        closed: () => {
          if (channel === null) return
          windows.orphan(channel)
          selfTests.orphan(channel)
        },
      }
    },
  })
}
