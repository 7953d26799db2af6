import Srf from 'drachtio-srf'
import type { Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { startSipd, type Sipd, type SipdOptions } from '../../src/sipd/sipd.ts'

/** The part of drachtio-srf that the tests use; its own declarations leave much of it out. */
export type AppMessage = {
  readonly status: number
  readonly method: string
  readonly uri: string
  readonly body: string
  get(name: string): string | undefined
  has(name: string): boolean
}
export type AppRequest = AppMessage & {
  on(event: 'cancel', listener: () => void): void
  on(event: 'update', listener: (update: AppRequest, answer: AppResponse) => void): void
  on(event: 'response', listener: (response: AppMessage, ack: () => void) => void): void
  cancel(done: (error: Error | null) => void): void
  readonly source_address: string
  readonly source_port: number
  readonly receivedOn: string
}
export type AppResponse = {
  send(
    status: number,
    options?: object,
    done?: (error: Error | null, sent: AppMessage) => void,
    acked?: (prack: AppMessage) => void,
  ): void
}
export type AppDialog = {
  readonly id: string
  readonly sip: { readonly callId: string; readonly localTag: string; readonly remoteTag: string }
  readonly remote: { readonly uri: string; readonly sdp: string }
  readonly local: { readonly uri: string; readonly sdp: string }
  on(event: string, listener: (request: AppRequest, second: AppResponse) => void): AppDialog
  once(event: string, listener: (request: AppRequest, second: unknown) => void): AppDialog
  request(options: { method: string; headers?: Record<string, string>; body?: string }): Promise<AppMessage>
  modify(sdp: string): Promise<string>
  destroy(options?: { headers: Record<string, string> }): Promise<AppMessage>
}
export type Application = {
  invite(handler: (request: AppRequest, response: AppResponse) => void): void
  use(method: string, handler: (request: AppRequest, response: AppResponse) => void): void
  createUAS(request: AppRequest, response: AppResponse, options: object): Promise<AppDialog>
  createUAC(
    uri: string,
    options: object,
    progress?: {
      cbRequest?: (error: Error | null, request: AppRequest) => void
      cbProvisional?: (response: AppMessage) => void
    },
  ): Promise<AppDialog>
  createB2BUA(
    request: AppRequest,
    response: AppResponse,
    uri: string,
    options: object,
  ): Promise<{ uas: AppDialog; uac: AppDialog }>
  request(uri: string, options: object): Promise<AppRequest>
  proxyRequest(request: AppRequest, destination: string, options: object): Promise<unknown>
  connect(options: { host: string; port: number; secret: string }): unknown
  on(event: string, listener: (...values: unknown[]) => void): void
  disconnect(): void
}

export const SECRET = 'a secret for tests'

export type Served = {
  readonly sipd: Sipd
  readonly udp: { host: string; port: number }
  readonly tcp: { host: string; port: number }
  readonly tls: { host: string; port: number } | undefined
  readonly metrics: Metrics
}

/** A sipd on free ports, closed when the test ends. */
export async function serve(t: Test, options: Partial<SipdOptions> = {}): Promise<Served> {
  const metrics = new Metrics('sipd')
  const local = { host: '127.0.0.1', port: 0 }
  const sipd = await startSipd({
    udp: [local],
    tcp: [local],
    control: { ...local, secret: SECRET },
    logger: createLogger({ role: 'sipd', level: 'silent' }),
    metrics,
    ...options,
  })
  t.teardown(() => sipd.close())
  const [udp] = sipd.addresses.udp
  const [tcp] = sipd.addresses.tcp
  if (udp === undefined || tcp === undefined) throw new Error('not listening')
  return { sipd, udp, tcp, tls: sipd.addresses.tls[0], metrics }
}

/** A real drachtio-srf, connected; `routes` declares its handlers before it connects. */
export async function application(
  t: Test,
  sipd: Sipd,
  routes: (srf: Application) => void = () => undefined,
): Promise<Application> {
  const srf = new (Srf as unknown as new () => Application)()
  // An application of a test that lost its server goes on quietly: the test is over.
  srf.on('error', () => undefined)
  routes(srf)
  const connected = new Promise<void>((resolve, reject) => {
    srf.on('connect', (error) => {
      if (error instanceof Error) reject(error)
      else resolve()
    })
  })
  srf.connect({ ...sipd.addresses.control, secret: SECRET })
  await connected
  // The routes are sent before 'connect' is told, so they are known when this resolves and the next frame is answered.
  t.teardown(() => {
    try {
      srf.disconnect()
    } catch (error) {
      if (!(error instanceof Error)) throw error
    }
  })
  return srf
}
