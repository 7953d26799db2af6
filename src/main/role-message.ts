/** What a role tells the supervisor over the IPC channel that Node opens between parent and child. */
export type RoleMessage =
  /** Every port is held; `addresses` are for people, such as the URL of the agents' page. */
  | { readonly type: 'ready'; readonly addresses: readonly string[] }
  /** It cannot start. host and port are null when the failure is not about a port. */
  | { readonly type: 'failed'; readonly code: string; readonly host: string | null; readonly port: number | null }
  | { readonly type: 'pong' }

/** `close`: end calls and connections, then exit. */
export type SupervisorMessage = { readonly type: 'ping' } | { readonly type: 'close' }

const TEXT_LENGTH_MAX = 200
const ADDRESSES_MAX = 64

export function parseRoleMessage(value: unknown): RoleMessage | null {
  if (typeof value !== 'object' || value === null) return null
  const { type, addresses, code, host, port } = value as Readonly<Record<string, unknown>>
  if (type === 'pong') return { type }
  if (type === 'ready' && Array.isArray(addresses) && addresses.length <= ADDRESSES_MAX && addresses.every(isText)) {
    return { type, addresses }
  }
  if (type !== 'failed' || !isText(code)) return null
  return { type, code, host: isText(host) ? host : null, port: typeof port === 'number' ? port : null }
}

export function parseSupervisorMessage(value: unknown): SupervisorMessage | null {
  if (typeof value !== 'object' || value === null || !('type' in value)) return null
  return value.type === 'ping' || value.type === 'close' ? { type: value.type } : null
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= TEXT_LENGTH_MAX
}
