import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export type HttpAsked = {
  readonly method: string
  readonly path: string
  readonly authorization: string
  readonly body: string
}
/** 'hang up' ends the connection without a word. */
export type HttpAnswer = { readonly status: number; readonly body: string } | 'hang up'

/** An HTTP server on loopback that answers as it is told, and remembers what it was asked; gone when the test ends. */
export async function serveHttp(
  t: { readonly teardown: (action: () => void) => unknown },
  answer: (asked: HttpAsked) => HttpAnswer,
): Promise<{ readonly address: string; readonly asked: readonly HttpAsked[] }> {
  const asked: HttpAsked[] = []
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const { method = '', url: path = '', headers } = request
      const now = { method, path, authorization: headers.authorization ?? '', body }
      asked.push(now)
      const answered = answer(now)
      if (answered === 'hang up') request.socket.destroy()
      else response.writeHead(answered.status, { 'content-type': 'application/json' }).end(answered.body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
