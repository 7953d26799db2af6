import type { Flow } from './flow.ts'

/** `HH:MM:SS.uuuuuu` of now; Node's clock has milliseconds, the rest is zero. */
export function frameTime(now: Date = new Date()): string {
  const two = (value: number): string => (value < 10 ? `0${value}` : String(value))
  return `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}.${String(now.getMilliseconds()).padStart(3, '0')}000`
}

/** The fields that say where a SIP text came from or went to: source, bytes, protocol, peer's address and port, time. */
function originFields(source: 'network' | 'application', bytes: number, flow: Flow): string[] {
  return [source, String(bytes), flow.transport, flow.remote.host, String(flow.remote.port), frameTime()]
}

/** A message from the network for the application. */
export function networkFields(options: {
  readonly source: 'network' | 'application'
  readonly bytes: number
  readonly flow: Flow
  readonly transactionId: string
  readonly dialogId: string | undefined
}): string[] {
  const { flow } = options
  const local = options.dialogId === undefined ? [flow.local.host, String(flow.local.port), ''] : ['']
  return [
    'sip',
    ...originFields(options.source, options.bytes, flow),
    options.transactionId,
    options.dialogId ?? '',
    ...local,
  ]
}

/** The answer to an application whose request was sent. */
export function requestSentFields(bytes: number, flow: Flow, transactionId: string): string[] {
  return ['OK', ...originFields('application', bytes, flow), transactionId, 'Msg sent:', '']
}

/** A final response to a request that is proxied for an application; more may follow. */
export function continueFields(bytes: number, flow: Flow): string[] {
  return ['OK', ...originFields('network', bytes, flow), '', '', 'continue']
}

/** The answer to an application whose response was sent. */
export function responseSentFields(
  bytes: number,
  flow: Flow,
  options: { readonly transactionId: string; readonly dialogId: string },
): string[] {
  return [
    'OK',
    ...originFields('application', bytes, flow),
    options.transactionId,
    options.dialogId,
    '',
    'Msg sent:',
    '',
  ]
}
