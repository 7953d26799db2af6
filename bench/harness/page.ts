import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import type { LeakResult } from '../leak/leak-result.ts'
import { escapeHtml as escape } from './escape-html.ts'
import { leakBody, leakHead, LEAK_STYLE } from './leak-section.ts'
import { readResults, RESULTS_FOLDER, type BenchResult, type Plot } from './results.ts'

/** Writes bench/results/index.html from all results: one page, no script, nothing loaded from elsewhere. */
export async function writePage(): Promise<string> {
  const file = join(RESULTS_FOLDER, 'index.html')
  // It is committed, so it is formatted like everything else that is.
  writeFileSync(file, await format(page(readResults()), { ...(await resolveConfig(file)), parser: 'html' }))
  return file
}

export function page(results: readonly BenchResult[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tonewall benches</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; vertical-align: top }
svg { max-width: 100%; height: auto } .missed { color: #b3261e; font-weight: 600 } .met { color: #1b6e3c; font-weight: 600 }
@media (prefers-color-scheme: dark) { .missed { color: #f2b8b5 } .met { color: #8fd8a8 } }
section { margin: 3rem 0 } .small { opacity: .75; font-size: .9rem }
${results.some(isLeak) ? LEAK_STYLE : ''}</style>
<h1>Tonewall benches</h1>
<p>Where arms are compared it is within one run: they take turns (ABBA), the warm-up is dropped, ratios are medians over rounds with a 95 % bootstrap interval. Run them yourself: <code>npm run bench -- NAME</code>.</p>
${results
  .toSorted((first, second) => Number(isLeak(second)) - Number(isLeak(first)))
  .map(section)
  .join('\n')}
</html>
`
}

function section(result: BenchResult): string {
  const goals = result.goals
    .map(
      (goal) =>
        `<tr><td>${escape(goal.name)}</td><td>${escape(goal.goal)}</td><td>${escape(goal.measured)}</td><td class="${goal.met ? 'met' : 'missed'}">${goal.met ? 'met' : 'missed'}</td></tr>`,
    )
    .join('')
  return `<section id="${escape(result.bench)}"${isLeak(result) ? ' class="leak"' : ''}>
<h2>${escape(result.bench)}</h2>
<p>${escape(result.question)}</p>
${isLeak(result) ? leakHead(result) : ''}
<p class="small">${escape(result.method)}</p>
${goals === '' ? '' : `<table><tr><th>What</th><th>Goal</th><th>Measured</th><th></th></tr>${goals}</table>`}
${isLeak(result) ? leakBody(result) : ''}
${result.plots.map(plot).join('\n')}
${result.notes.length === 0 ? '' : `<ul>${result.notes.map((note) => `<li>${escape(note)}</li>`).join('')}</ul>`}
<p class="small">${escape(result.at)} · ${escape(result.machine.cpu)}, ${result.machine.cores} cores, ${result.machine.memoryGiB} GiB · ${escape(result.machine.kernel)} · ${escape(
    Object.entries(result.machine.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  )}</p>
</section>`
}

/** The attack bench has a part of the page of its own. */
function isLeak(result: BenchResult): result is LeakResult {
  return result.bench === 'leak' && 'scenarios' in result
}

const WIDTH = 800
const ROW = 34
const LABEL = 250
const RIGHT = 110

function plot({ title, unit, bars }: Plot): string {
  const most = Math.max(...bars.map((bar) => bar.high), Number.MIN_VALUE)
  const scale = (value: number) => LABEL + (Math.max(0, value) / most) * (WIDTH - LABEL - RIGHT)
  const rows = bars.map((bar, index) => {
    const y = 8 + index * ROW
    return `<text x="${LABEL - 10}" y="${y + 17}" text-anchor="end">${escape(bar.name)}</text>
<rect x="${LABEL}" y="${y + 3}" width="${(scale(bar.value) - LABEL).toFixed(1)}" height="18" rx="2" fill="#3d6fb6"/>
<line x1="${scale(bar.low).toFixed(1)}" x2="${scale(bar.high).toFixed(1)}" y1="${y + 12}" y2="${y + 12}" stroke="currentColor" stroke-width="2"/>
<text x="${(scale(bar.high) + 8).toFixed(1)}" y="${y + 17}">${figure(bar.value)} ${escape(unit)}</text>`
  })
  return `<figure><figcaption>${escape(title)}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${16 + bars.length * ROW}" width="${WIDTH}" role="img" aria-label="${escape(title)}" font-family="system-ui, sans-serif" font-size="14" fill="currentColor">
${rows.join('\n')}
</svg></figure>`
}

function figure(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en')
  return Number.isInteger(value) ? String(value) : value.toPrecision(3)
}
