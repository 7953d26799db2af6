/** Opening a window takes the sbc some hundred milliseconds, and at most five seconds when it is in trouble. */
const DEADLINE_MS = 8_000

export type ApiAnswer =
  | { readonly kind: 'ok'; readonly body: unknown }
  | { readonly kind: 'problem'; readonly status: number; readonly code: string }
  | { readonly kind: 'unreachable' }

/** One request to the desk. Never rejects. */
export async function callApi(options: {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly token: string
  readonly body?: object
}): Promise<ApiAnswer> {
  const headers = new Headers({ authorization: `Bearer ${options.token}` })
  if (options.body !== undefined) headers.set('content-type', 'application/json')
  try {
    const response = await fetch(`/api/v1${options.path}`, {
      method: options.method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: AbortSignal.timeout(DEADLINE_MS),
      cache: 'no-store',
    })
    const body: unknown = response.status === 204 ? null : await response.json()
    if (response.ok) return { kind: 'ok', body }
    return { kind: 'problem', status: response.status, code: codeOf(body) }
  } catch {
    return { kind: 'unreachable' }
  }
}

function codeOf(body: unknown): string {
  const code: unknown = typeof body === 'object' && body !== null && 'code' in body ? body.code : null
  return typeof code === 'string' ? code : 'internal'
}
