import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../../src/main/configuration.ts'
import { dataFlowDiagram } from '../../../src/main/evidence/data-flow-diagram.ts'
import { DIGITS } from '../../../src/main/evidence/svg.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration is good')
const shipped = loaded.configuration

t.test('digits have a way of their own, which ends at the vault, or at the acquirer where one is named', (t) => {
  const svg = dataFlowDiagram(shipped)
  const thick = (text: string): number => text.split(`stroke="${DIGITS}" stroke-width="3"`).length - 1
  // Carrier to rtpengine, rtpengine to guard, guard to vault, and the keys of carriers that signal by INFO.
  t.equal(thick(svg), 4)
  t.match(svg, /carrier → rtpengine: RTP, with the keys/)
  t.match(svg, /guard → vault: card numbers, and tokens back/)
  t.notMatch(svg, /acquirer/)
  const paying = dataFlowDiagram({
    ...shipped,
    vault: { ...shipped.vault, connectorUrl: 'https://user:secret@acquirer.example/pay' },
  })
  t.equal(thick(paying), 5)
  t.match(paying, /vault → acquirer/)
  t.notMatch(paying, /secret/)
  t.end()
})

t.test('it is well-formed, tells in words what it shows, and loads nothing', (t) => {
  const svg = dataFlowDiagram(shipped)
  t.same(faultsOf(svg), [])
  t.same(faultsOf('<a><b/></c>&'), ['&', 'c'])
  t.match(svg, /<title id="data-flow-drawing-title">Data flow<\/title>/)
  t.match(svg, /aria-labelledby="data-flow-drawing-title data-flow-drawing-description"/)
  t.notMatch(svg, /<script|href=|<image|url\(http/)
  t.end()
})

/** Elements that begin and do not end, or end out of order, and characters that XML does not take. */
function faultsOf(text: string): readonly string[] {
  const open: string[] = []
  const faults: string[] = [...(text.match(/&(?!#\d+;)/g) ?? [])]
  for (const [, close, name = '', self] of text.matchAll(/<(\/?)([a-z]+)(?:"[^"]*"|[^<>"])*?(\/?)>/g)) {
    if (close === '' && self === '') open.push(name)
    else if (close !== '' && open.pop() !== name) faults.push(name)
  }
  return [...faults, ...open]
}
