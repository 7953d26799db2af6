import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Answer } from './answer.ts'
import { PROBLEM_TYPE, problemBody, type ProblemCode } from './problem.ts'

/** A bulk request of 500 tokens has 18 kB. */
export const BODY_BYTES_MAX = 32_768

const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const

/** The body as JSON, or why it is none. 'gone': the client went away. */
export async function readJson(
  incoming: IncomingMessage,
): Promise<
  | { readonly kind: 'json'; readonly text: string; readonly value: unknown }
  | { readonly kind: 'refused'; readonly code: 'malformed' | 'not_json' | 'body_too_large' }
  | { readonly kind: 'gone' }
> {
  if (!/^application\/json(?:; *charset=utf-8)?$/i.test(incoming.headers['content-type'] ?? '')) {
    return { kind: 'refused', code: 'not_json' }
  }
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > BODY_BYTES_MAX) return { kind: 'refused', code: 'body_too_large' }
      chunks.push(chunk)
    }
  } catch {
    return { kind: 'gone' }
  }
  const text = Buffer.concat(chunks).toString('utf8')
  try {
    return { kind: 'json', text, value: JSON.parse(text) as unknown }
  } catch {
    return { kind: 'refused', code: 'malformed' }
  }
}

/** Sends the answer. What is secret in it is overwritten when it is on its way, or cannot be. */
export function sendAnswer(response: ServerResponse, answer: Answer): void {
  switch (answer.kind) {
    case 'json':
      sendText(response, { status: answer.status, type: 'application/json', text: JSON.stringify(answer.body) })
      return
    case 'empty':
      response.writeHead(204, HEADERS).end()
      return
    case 'secret':
      sendSecret(response, answer.body)
      return
    case 'problem':
      sendProblem(response, answer.code, answer.retryAfterS)
  }
}

/** An answer to somebody who is not listened to any further closes the connection. */
export function sendProblem(response: ServerResponse, code: ProblemCode, retryAfterS?: number): void {
  const body = problemBody(code)
  if (retryAfterS !== undefined) response.setHeader('retry-after', retryAfterS)
  if (CLOSING.includes(code)) response.setHeader('connection', 'close')
  sendText(response, { status: body.status, type: PROBLEM_TYPE, text: JSON.stringify(body) })
}

const CLOSING: readonly ProblemCode[] = ['body_too_large', 'closing']

function sendText(
  response: ServerResponse,
  { status, type, text }: { readonly status: number; readonly type: string; readonly text: string },
): void {
  const body = Buffer.from(text, 'utf8')
  response.writeHead(status, { ...HEADERS, 'content-type': type, 'content-length': body.length }).end(body)
}

/**
 * Node's TLS keeps a copy, which nobody wipes, of several buffers that are written together; a lone one goes straight to the cipher. So the
 * headers go first, then the body alone, and the end only behind it.
 */
function sendSecret(response: ServerResponse, body: Buffer): void {
  const wipe = (): void => {
    body.fill(0)
  }
  response.once('close', wipe)
  response.writeHead(200, { ...HEADERS, 'content-type': 'application/json', 'content-length': body.length })
  response.flushHeaders()
  setImmediate(() => {
    response.write(body, () => {
      wipe()
      response.end()
    })
  })
}

/** What is no HTTP at all, or comes too slowly or too large to be read, gets one answer and is closed. */
export function refuseConnection(error: Error & { readonly code?: string }, socket: Socket): ProblemCode {
  const code = CONNECTION_PROBLEMS[error.code ?? ''] ?? 'malformed'
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return code
  }
  const problem = problemBody(code)
  const body = JSON.stringify(problem)
  const head = ['HTTP/1.1 ' + String(problem.status) + ' Refused', 'connection: close', 'content-type: ' + PROBLEM_TYPE]
  socket.end([...head, 'content-length: ' + String(Buffer.byteLength(body)), '', body].join('\r\n'))
  return code
}

const CONNECTION_PROBLEMS: Readonly<Record<string, ProblemCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
}
