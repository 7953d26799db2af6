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
