import type { Identity } from '../kit/identity.ts'
import type { Metrics } from '../kit/metrics.ts'
import type { Address, Flow } from './flow.ts'
import { HepSender } from './hep-sender.ts'
import { MessageTrace } from './message-trace.ts'
import { MessageWatch } from './message-watch.ts'
import { TraceLink } from './trace-link.ts'

/** Who sees the messages; with neither of them nothing is kept, and nothing costs time. */
export type WatchingOptions = {
  /** The sbc, which asks for the traces of calls. */
  readonly traces?: { readonly sbc: Address; readonly identity: Identity } | undefined
  readonly homer?: (Address & { readonly captureId: number }) | null | undefined
  readonly metrics: Metrics
  /** A message could not be watched because of an error of ours. */
  readonly failed: () => void
}

export type Watching = {
  take(direction: 'received' | 'sent', bytes: Buffer, flow: Flow): void
  close(): void
}

export function startWatching(options: WatchingOptions): Watching {
  const { traces, metrics, failed } = options
  const homer = options.homer ?? null
  if (traces === undefined && homer === null) return { take: () => undefined, close: () => undefined }
  const sender = homer === null ? null : new HepSender({ collector: homer, captureId: homer.captureId, metrics })
  const trace = new MessageTrace()
  const link = traces === undefined ? null : new TraceLink({ ...traces.sbc, identity: traces.identity, trace })
  const watch = new MessageWatch({ trace, homer: sender, dateMs: () => Date.now(), failed })
  return {
    take: (direction, bytes, flow) => watch.take(direction, bytes, flow),
    close: () => {
      link?.close()
      sender?.close()
    },
  }
}
