/**
 * What the vault's main process and the process of the HSM say to each other, as frames over a pipe (kit/frame.ts). Keys travel in the
 * binary body. One answer follows each order, in their order.
 */
export type HsmPlace = {
  /** The HSM's library (PKCS#11). */
  readonly library: string
  /** Labels of the token and of the AES-256 key in it. */
  readonly token: string
  readonly key: string
  /** The PIN is its first line. */
  readonly pinFile: string
}

/** The body of wrap and unwrap: the context, contextBytes long, then the key, or the wrapped key. */
export type HsmOrder =
  ({ readonly type: 'open' | 'make' } & HsmPlace) | { readonly type: 'wrap' | 'unwrap'; readonly contextBytes: number }

export const HSM_CODES = [
  'library_unusable', // there is no such file, or it is no such library
  'pin_unreadable',
  'pin_refused',
  'no_token', // no token has this label
  'no_key', // no AES key in it has this label
  'ambiguous', // two have it
  'key_exists', // and is not made again
  'token_failed', // the HSM does not do it; `value` is its CKR
  'wrong_state', // not opened yet
] as const
export type HsmCode = (typeof HSM_CODES)[number]

export type HsmAnswer =
  | { readonly type: 'opened'; readonly isExtractable: boolean }
  | { readonly type: 'made' }
  /** The wrapped key, or the key, is in the body. */
  | { readonly type: 'done' }
  /** It was wrapped by another key, in another context, or was changed. */
  | { readonly type: 'wrong' }
  | { readonly type: 'failed'; readonly code: HsmCode; readonly value: number }

const TEXT_MAX = 1_000
const CONTEXT_BYTES_MAX = 4_096

/** Null for anything else. */
export function parseHsmOrder(value: unknown): HsmOrder | null {
  if (typeof value !== 'object' || value === null) return null
  const { type, library, token, key, pinFile, contextBytes } = value as Readonly<Record<string, unknown>>
  if (type === 'wrap' || type === 'unwrap') {
    const isCount = typeof contextBytes === 'number' && Number.isInteger(contextBytes)
    return isCount && contextBytes >= 0 && contextBytes <= CONTEXT_BYTES_MAX ? { type, contextBytes } : null
  }
  if (type !== 'open' && type !== 'make') return null
  if (!isText(library) || !isText(token) || !isText(key) || !isText(pinFile)) return null
  return { type, library, token, key, pinFile }
}

/** Null for anything else. */
export function parseHsmAnswer(given: unknown): HsmAnswer | null {
  if (typeof given !== 'object' || given === null) return null
  const { type, isExtractable, code, value } = given as Readonly<Record<string, unknown>>
  if (type === 'made' || type === 'done' || type === 'wrong') return { type }
  if (type === 'opened' && typeof isExtractable === 'boolean') return { type, isExtractable }
  const known = HSM_CODES.find((name) => name === code)
  if (type !== 'failed' || known === undefined || typeof value !== 'number') return null
  return { type, code: known, value }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= TEXT_MAX
}
