import type { Test } from 'tap'
import { application, serve, type AppRequest, type Application } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

export type Outcome = {
  readonly connected: boolean
  readonly finalStatus?: number
  readonly responses: readonly { readonly msgs: readonly { readonly status: number }[] }[]
}

/** Times of RFC 3261 but shorter, for tests that wait for them. */
export const QUICK = { t1Ms: 25, t2Ms: 100, t4Ms: 100 }

/** A caller, callees, and an application that proxies every INVITE and MESSAGE to the callees. */
export async function proxied(
  t: Test,
  options: object,
  setting: {
    readonly callees?: number
    readonly transport?: 'udp' | 'tcp'
    readonly limits?: object
    readonly to?: (peers: readonly RawPeer[], request: AppRequest) => string[]
  } = {},
) {
  const served = await serve(t, { limits: setting.limits ?? {} })
  const caller = await RawPeer.udp()
  const callees = await Promise.all(
    Array.from({ length: setting.callees ?? 2 }, () => (setting.transport === 'tcp' ? RawPeer.tcp() : RawPeer.udp())),
  )
  t.teardown(() => Promise.all([caller, ...callees].map((peer) => peer.close())))
  const outcomes: Promise<Outcome | Error>[] = []
  const proxy = (srf: Application, request: AppRequest): void => {
    const destination = setting.to?.(callees, request) ?? callees.map(({ uri }) => uri)
    outcomes.push(
      (srf.proxyRequest(request, destination as unknown as string, { ...options }) as Promise<Outcome>).catch(
        (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
      ),
    )
  }
  await application(t, served.sipd, (srf) => {
    srf.invite((request) => proxy(srf, request))
    srf.use('message', (request) => proxy(srf, request))
  })
  return {
    ...served,
    caller,
    callees,
    outcomes,
    invite: () => caller.request(served.udp, { method: 'INVITE', body: SDP }),
  }
}

export function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index]
  if (item === undefined) throw new Error('there is none')
  return item
}

export const statuses = (outcome: Outcome | Error | undefined): number[] =>
  outcome === undefined || outcome instanceof Error
    ? []
    : outcome.responses.flatMap(({ msgs }) => msgs.map(({ status }) => status))
