import { readFileSync } from 'node:fs'
import t from 'tap'

const css = readFileSync(new URL('../../../src/desk/page/page.css', import.meta.url), 'utf8')

/** The variables of the light and of the dark scheme. */
const [light, dark] = [...css.matchAll(/:root \{([^}]*)\}/g)].map(
  ([, block = '']) =>
    new Map([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name = '', value = '']) => [name, value])),
)

/** WCAG 2.2, relative luminance. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(one: string, other: string): number {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (lighter + 0.05) / (darker + 0.05)
}

const TEXTS = [
  ['ink', 'ground'],
  ['ink', 'sheet'],
  ['soft', 'ground'],
  ['soft', 'sheet'],
  ['on-accent', 'accent'],
  ['on-accent', 'accent-strong'],
  ...['wait', 'ask', 'done', 'fix', 'failed'].flatMap((tone) => [
    [`${tone}-ink`, tone],
    ['ink', tone],
  ]),
  ...['done', 'fix', 'failed'].map((tone) => [`${tone}-ink`, 'sheet']),
] as const
/** Places, frames and focus: WCAG 1.4.11 asks for 3. */
const SHAPES = [
  ['focus', 'ground'],
  ['focus', 'sheet'],
  ['accent', 'sheet'],
  ['place', 'sheet'],
] as const

t.test('text has at least 4.5 and shapes at least 3 of contrast, light and dark', (t) => {
  for (const [name, scheme] of Object.entries({ light, dark })) {
    const ratio = ([front = '', back = '']: readonly string[]) =>
      contrast(scheme?.get(front) ?? '', scheme?.get(back) ?? '')
    for (const pair of TEXTS) t.ok(ratio(pair) >= 4.5, `${name} ${pair.join(' on ')} ${ratio(pair).toFixed(2)}`)
    for (const pair of SHAPES) t.ok(ratio(pair) >= 3, `${name} ${pair.join(' on ')} ${ratio(pair).toFixed(2)}`)
  }
  t.end()
})

t.test('nothing comes from elsewhere, focus is visible, and motion can be switched off', (t) => {
  t.notMatch(css, /url\(|@import|https?:/)
  t.match(css, /:focus-visible \{\s*outline: 3px/)
  t.match(css, 'prefers-reduced-motion')
  t.end()
})
