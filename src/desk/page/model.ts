import type { CallView } from '../../wire/call-protocol.ts'

/** What the page knows. It is changed in `step` only. */
export type PageModel = {
  /** connecting: nothing was heard yet. reconnecting: what is shown may be old. */
  readonly connection: 'connecting' | 'live' | 'reconnecting'
  /** down: the desk is there, but the call control behind it is not. */
  readonly sbc: 'up' | 'down'
  readonly calls: ReadonlyMap<string, CallView>
  /** The call that is shown large. */
  readonly shown: string | null
  /** The desk's clock minus the browser's, in milliseconds. */
  readonly clockOffsetMs: number
  /** The order that is on its way, and why the last one of the shown call was refused. */
  readonly ordering: 'open' | 'clear' | 'cancel' | null
  readonly refused: string | null
}

export type PageInput =
  | {
      readonly type: 'snapshot'
      readonly sbc: 'up' | 'down'
      readonly synced: boolean
      readonly clockOffsetMs: number
      readonly calls: readonly CallView[]
    }
  | { readonly type: 'call'; readonly call: CallView }
  | { readonly type: 'gone'; readonly callId: string }
  | { readonly type: 'sbc'; readonly sbc: 'up' | 'down' }
  | { readonly type: 'connected' }
  | { readonly type: 'lost' }
  | { readonly type: 'show'; readonly callId: string }
  | { readonly type: 'ordered'; readonly order: 'open' | 'clear' | 'cancel' }
  | { readonly type: 'answered'; readonly refused: string | null }

export const FIRST_MODEL: PageModel = {
  connection: 'connecting',
  sbc: 'up',
  calls: new Map(),
  shown: null,
  clockOffsetMs: 0,
  ordering: null,
  refused: null,
}

export function step(model: PageModel, input: PageInput): PageModel {
  switch (input.type) {
    case 'snapshot': {
      // A desk that has not heard from the call control yet knows less than this page does.
      const calls = input.synced ? new Map(input.calls.map((call) => [call.callId, call])) : model.calls
      return choose({ ...model, sbc: input.sbc, clockOffsetMs: input.clockOffsetMs, calls })
    }
    case 'call':
      return choose({ ...model, calls: new Map(model.calls).set(input.call.callId, input.call) })
    case 'gone': {
      const calls = new Map(model.calls)
      calls.delete(input.callId)
      return choose({ ...model, calls })
    }
    case 'sbc':
      return { ...model, sbc: input.sbc }
    case 'connected':
      return { ...model, connection: 'live' }
    case 'lost':
      return { ...model, connection: model.connection === 'connecting' ? 'connecting' : 'reconnecting' }
    case 'show':
      return { ...model, shown: input.callId, refused: null }
    case 'ordered':
      return { ...model, ordering: input.order, refused: null }
    case 'answered':
      return { ...model, ordering: null, refused: input.refused }
  }
}

export function shownCall(model: PageModel): CallView | null {
  return model.shown === null ? null : (model.calls.get(model.shown) ?? null)
}

/** Calls in the order of the list: running ones first, then the newest. */
export function callsInOrder(model: PageModel): readonly CallView[] {
  const ended = (call: CallView) => (call.state === 'ended' ? 1 : 0)
  return [...model.calls.values()].sort((a, b) => ended(a) - ended(b) || b.startedAtMs - a.startedAtMs)
}

/** True while the payer is masked in this call, as far as we know. */
export function isMasked(call: CallView | null): boolean {
  const state = call?.payment?.state
  return call?.state !== 'ended' && state !== undefined && state !== 'closed' && state !== 'opening'
}

/** A running call stays shown whatever else arrives; a new one is shown by itself when none is running. */
function choose(model: PageModel): PageModel {
  const now = shownCall(model)
  if (now !== null && now.state !== 'ended') return model
  const [first] = callsInOrder(model)
  if (first === undefined) return { ...model, shown: null, refused: null }
  if (now !== null && first.state === 'ended') return model
  return { ...model, shown: first.callId, refused: null }
}
