import type { Configuration } from '../wire/configuration.ts'

/** What a role tells the supervisor over the IPC channel that Node opens between parent and child. */
export type RoleMessage =
  /** Every port is held; `addresses` are for people, such as the URL of the agents' page. */
  | { readonly type: 'ready'; readonly addresses: readonly string[] }
  /** It cannot start. host and port are null when the failure is not about a port. */
  | { readonly type: 'failed'; readonly code: string; readonly host: string | null; readonly port: number | null }
  | { readonly type: 'pong' }
  /** The sbc has no calls left, and was told to take no more. */
  | { readonly type: 'drained' }
  /** An operator wants another configuration; file null: the one that the site was started with. */
  | { readonly type: 'reload'; readonly file: string | null }
  /** The answer to `apply`: problem null, or a line for people that says why nothing was applied. */
  | { readonly type: 'applied'; readonly problem: string | null }

/** `close`: end calls and connections, then exit. */
export type SupervisorMessage =
  | { readonly type: 'ping' }
  | { readonly type: 'close' }
  /** Take what of this configuration can be taken while calls live. It was checked by the supervisor. */
  | { readonly type: 'apply'; readonly configuration: Configuration }
  /** The answer to `reload`: `lines` are the keys that changed, or why nothing did. */
  | { readonly type: 'reloaded'; readonly isDone: boolean; readonly lines: readonly string[] }

const TEXT_LENGTH_MAX = 200
const FILE_LENGTH_MAX = 1_000
const LINES_MAX = 64
const ADDRESSES_MAX = 64

export function parseRoleMessage(value: unknown): RoleMessage | null {
  if (typeof value !== 'object' || value === null) return null
  const { type, addresses, code, host, port, file, problem } = value as Readonly<Record<string, unknown>>
  if (type === 'pong' || type === 'drained') return { type }
  if (type === 'reload' && (file === null || (typeof file === 'string' && file.length <= FILE_LENGTH_MAX)))
    return { type, file }
  if (type === 'applied' && (problem === null || isText(problem))) return { type, problem }
  if (type === 'ready' && Array.isArray(addresses) && addresses.length <= ADDRESSES_MAX && addresses.every(isText)) {
    return { type, addresses }
  }
  if (type !== 'failed' || !isText(code)) return null
  return { type, code, host: isText(host) ? host : null, port: typeof port === 'number' ? port : null }
}

export function parseSupervisorMessage(value: unknown): SupervisorMessage | null {
  if (typeof value !== 'object' || value === null) return null
  const { type, configuration, isDone, lines } = value as Readonly<Record<string, unknown>>
  if (type === 'ping' || type === 'close') return { type }
  // It comes from our own parent, which has checked it as it checks a file.
  if (type === 'apply' && typeof configuration === 'object' && configuration !== null)
    return { type, configuration: configuration as Configuration }
  if (type === 'reloaded' && typeof isDone === 'boolean' && Array.isArray(lines) && lines.length <= LINES_MAX)
    return { type, isDone, lines: lines.filter((line) => typeof line === 'string') }
  return null
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= TEXT_LENGTH_MAX
}
