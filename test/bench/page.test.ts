import t from 'tap'
import { page } from '../../bench/harness/page.ts'
import type { BenchResult } from '../../bench/harness/results.ts'

const result: BenchResult = {
  bench: 'example',
  question: 'Is <b> escaped?',
  method: 'A method.',
  at: '2026-01-01T00:00:00Z',
  machine: { cpu: 'A & B', cores: 2, memoryGiB: 4, kernel: 'Linux', versions: { node: 'v26' } },
  data: {},
  goals: [
    { name: 'fast', goal: '<= 1', measured: '0.9', met: true },
    { name: 'small', goal: '<= 1', measured: '1.2', met: false },
  ],
  plots: [{ title: 'Delay', unit: 'ms', bars: [{ name: 'arm', value: 1.25, low: 1, high: 2 }] }],
  notes: ['A note.'],
}

t.test('the page shows each goal as met or missed, plots with values, and escapes what it shows', (t) => {
  const html = page([result])
  t.match(html, /class="met">met</)
  t.match(html, /class="missed">missed</)
  t.match(html, /1\.25 ms/)
  t.match(html, /Is &lt;b&gt; escaped\?/)
  t.match(html, /A &amp; B/)
  t.notMatch(html, /<script|https?:/)
  t.end()
})
