import type { Address } from '../../src/wire/guard-protocol.ts'

/** Between a bench and the process that makes its load, over Node's IPC channel. */
export type ToRtpLoad =
  | { readonly type: 'open'; readonly windows: number }
  /** `targets` are where each window's two streams are sent. With burstMs all packets of so long a time are sent at once. */
  | {
      readonly type: 'run'
      readonly targets: readonly WindowPorts[]
      readonly burstMs: number | null
      readonly warmUpMs: number
      readonly measureMs: number
    }

export type FromRtpLoad =
  | { readonly type: 'opened'; readonly windows: readonly WindowPorts[] }
  | { readonly type: 'measuring' }
  | { readonly type: 'measured' }
  | {
      readonly type: 'done'
      readonly payer: StreamFigures
      readonly agent: StreamFigures
      readonly senderLateMs: Quantiles
    }

/** The payer's and the agent's side of one window. */
export type WindowPorts = { readonly payer: Address; readonly agent: Address }

export type Quantiles = { readonly p50: number; readonly p99: number; readonly max: number }

/** One direction of all windows, by the packets sent while measuring. `payer`: from payer to agent. */
export type StreamFigures = {
  /** Audio packets; a payer's events are masked away, and not counted. */
  readonly sent: number
  readonly lost: number
  readonly delayMs: Quantiles
}
