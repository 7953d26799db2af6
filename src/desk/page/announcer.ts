import type { Announcement } from './announcement.ts'

/** Speaks through one of the page's two live regions, and empties the other: what is not true any more must not be found there. */
export function announce({ text, urgent }: Announcement): void {
  const polite = document.getElementById('polite')
  const assertive = document.getElementById('assertive')
  if (polite !== null) polite.textContent = urgent ? '' : text
  if (assertive !== null) assertive.textContent = urgent ? text : ''
}
