import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { chromium, type Browser, type Page } from 'playwright-core'

/** The arguments keep chromium quiet: it must speak to the desk and to nobody else. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** All text that the page holds, shown or not, attributes too. */
export function allText(page: Page): Promise<string> {
  return page.evaluate('document.documentElement.outerHTML')
}

/** Waits until the page has come to something; the page's own policy forbids to wait inside of it (no eval). */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(8_000)
  while (!(await isSo())) {
    deadline.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

const POLL_MS = 25

/** A line to a port that can fall silent without being cut, as a network does. */
export async function startLine(port: number) {
  const sockets = new Set<Socket>()
  let frozen = false
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (chunk) => to.write(chunk))
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        if (!frozen) to.destroy()
      })
      if (frozen) from.pause()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    freeze: () => {
      frozen = true
      for (const socket of sockets) socket.pause()
    },
    thaw: () => {
      frozen = false
      for (const socket of sockets) socket.resume()
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
