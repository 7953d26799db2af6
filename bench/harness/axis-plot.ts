import { upperBound99 } from '../../src/demo/judge/binomial-bound.ts'
import { escapeHtml } from './escape-html.ts'

/** Hits in tries, to be drawn as a part with its 99 % interval. */
export type Rate = { readonly hits: number; readonly keys: number }

/** One place on an axis: the attackers behind the masker, the best of the controls, and the peer if it was tried there. */
export type AxisPoint = {
  readonly label: string
  readonly name: string
  readonly learned: Rate
  readonly matchedFilter: Rate
  readonly control: number
  readonly peer: number | null
}

export type AxisPlot = {
  readonly title: string
  readonly unit: string
  readonly points: readonly AxisPoint[]
  readonly chance: number
  readonly bound: number
}

const WIDTH = 760
const LEFT = 58
const RIGHT = 92
const UPPER = { top: 22, height: 84 }
const LOWER = { top: 140, height: 150 }
const HEIGHT = LOWER.top + LOWER.height + 44

/** The lower panel shows this stretch, around chance; what lies above is drawn at its edge with its figure. */
const SHOWN = { low: 0.06, high: 0.12 } as const

/**
 * A plot of one axis in two panels. Above, from nothing to all keys: what the judges read of what arrived, and of what the peer let
 * through. Below, magnified around chance: what the attackers read of what left the masker.
 */
export function axisPlot(plot: AxisPlot): string {
  const step = (WIDTH - LEFT - RIGHT) / plot.points.length
  const x = (index: number): number => LEFT + step * (index + 0.5)
  const upper = (part: number): number => UPPER.top + UPPER.height * (1 - part)
  const control = plot.points.map((point, index) => `${x(index).toFixed(1)},${upper(point.control).toFixed(1)}`)
  const marks = plot.points.flatMap((point, index) => [
    ...(point.peer === null
      ? []
      : [
          `<rect class="peer" x="${(x(index) - 7).toFixed(1)}" y="${upper(point.peer).toFixed(1)}" width="14" height="${(UPPER.height * point.peer).toFixed(1)}"><title>${escapeHtml(point.name)}: rtpengine's own blocking, ${shown(point.peer)} read</title></rect>`,
        ]),
    `<circle class="control" cx="${x(index).toFixed(1)}" cy="${upper(point.control).toFixed(1)}" r="3"><title>${escapeHtml(point.name)}: control ${shown(point.control)}</title></circle>`,
    rateMark(point.matchedFilter, { x: x(index) + Math.min(7, step / 5), kind: 'filter', name: point.name }),
    rateMark(point.learned, { x: x(index) - Math.min(7, step / 5), kind: 'learned', name: point.name }),
    `<text x="${x(index).toFixed(1)}" y="${LOWER.top + LOWER.height + 17}" text-anchor="middle">${escapeHtml(point.label)}</text>`,
  ])
  const isPeer = plot.points.some(({ peer }) => peer !== null)
  return `<figure><figcaption>${escapeHtml(plot.title)}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" role="img" aria-label="${escapeHtml(plot.title)}">
${[0, 0.5, 1].map((part) => gridLine(upper(part), shown(part))).join('\n')}
${[0.06, 0.08, 0.1, 0.12].map((part) => gridLine(lower(part), shown(part))).join('\n')}
<rect class="goal" x="${LEFT}" y="${lower(plot.bound).toFixed(1)}" width="${WIDTH - LEFT - RIGHT}" height="${(lower(SHOWN.low) - lower(plot.bound)).toFixed(1)}"/>
<line class="chance" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${lower(plot.chance).toFixed(1)}" y2="${lower(plot.chance).toFixed(1)}"/>
<line class="bound" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${lower(plot.bound).toFixed(1)}" y2="${lower(plot.bound).toFixed(1)}"/>
<text x="${WIDTH - RIGHT + 6}" y="${(lower(plot.bound) + 4).toFixed(1)}" class="quiet">goal ${shown(plot.bound)}</text>
<text x="${WIDTH - RIGHT + 6}" y="${(lower(plot.chance) + 4).toFixed(1)}" class="quiet">chance ${shown(plot.chance)}</text>
<text x="${LEFT}" y="${UPPER.top - 9}"><tspan class="control-text">● keys read of what arrived (control)</tspan>${isPeer ? ` <tspan class="peer-text">■ read behind rtpengine's own blocking</tspan>` : ''}</text>
<text x="${LEFT}" y="${LOWER.top - 9}">keys named of what left the masker: <tspan class="learned-text">● learned attacker</tspan> <tspan class="filter-text">□ matched filter</tspan>, with 99 % bounds</text>
<polyline class="control" points="${control.join(' ')}"/>
${marks.join('\n')}
<text x="${WIDTH - RIGHT}" y="${HEIGHT - 6}" text-anchor="end" class="quiet">${escapeHtml(plot.unit)}</text>
</svg></figure>`
}

/** The same scale in a line of a table. */
export function rateBar(rates: {
  readonly learned: Rate
  readonly matchedFilter: Rate
  readonly chance: number
  readonly bound: number
  readonly name: string
}): string {
  const x = (part: number): number => 150 * place(part)
  const bar = (rate: Rate, y: number, kind: string): string => {
    const { part, low, high } = intervalOf(rate)
    const middle =
      kind === 'learned'
        ? `<circle class="learned" cx="${x(part).toFixed(1)}" cy="${y}" r="3"/>`
        : `<rect class="filter" x="${(x(part) - 2.5).toFixed(1)}" y="${y - 2.5}" width="5" height="5"/>`
    return `<line class="${kind}" x1="${x(low).toFixed(1)}" x2="${x(high).toFixed(1)}" y1="${y}" y2="${y}"/>${middle}`
  }
  const line = (part: number, kind: string): string =>
    `<line class="${kind}" x1="${x(part).toFixed(1)}" x2="${x(part).toFixed(1)}" y1="0" y2="20"/>`
  return `<svg viewBox="-4 0 158 20" width="158" height="20" role="img" aria-label="${escapeHtml(rates.name)}"><rect class="goal" x="0" y="0" width="${x(rates.bound).toFixed(1)}" height="20"/>${line(rates.chance, 'chance')}${line(rates.bound, 'bound')}${bar(rates.learned, 6, 'learned')}${bar(rates.matchedFilter, 14, 'filter')}</svg>`
}

/** One-sided 99 % bounds either way. */
function intervalOf({ hits, keys }: Rate): { readonly part: number; readonly low: number; readonly high: number } {
  return {
    part: hits / Math.max(1, keys),
    low: 1 - upperBound99({ hits: keys - hits, tries: keys }),
    high: upperBound99({ hits, tries: keys }),
  }
}

function rateMark(
  rate: Rate,
  mark: { readonly x: number; readonly kind: 'learned' | 'filter'; readonly name: string },
): string {
  const { part, low, high } = intervalOf(rate)
  const x = mark.x.toFixed(1)
  const title = `<title>${escapeHtml(mark.name)}: ${mark.kind === 'learned' ? 'learned attacker' : 'matched filter'} ${shown(part)}, 99 % interval ${shown(low)} to ${shown(high)}, ${rate.keys} keys</title>`
  if (part > SHOWN.high) {
    return `<g class="over"><path d="M${x} ${LOWER.top - 2} l5 9 h-10 z"/><text x="${x}" y="${LOWER.top + 20}" text-anchor="middle">${shown(part)}</text>${title}</g>`
  }
  const at = lower(part)
  const shape =
    mark.kind === 'learned'
      ? `<circle class="learned" cx="${x}" cy="${at.toFixed(1)}" r="3.5"/>`
      : `<rect class="filter" x="${(mark.x - 3).toFixed(1)}" y="${(at - 3).toFixed(1)}" width="6" height="6"/>`
  return `<g><line class="${mark.kind}" x1="${x}" x2="${x}" y1="${lower(high).toFixed(1)}" y2="${lower(low).toFixed(1)}"/>${shape}${title}</g>`
}

function gridLine(y: number, label: string): string {
  return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}"/><text x="${LEFT - 6}" y="${(y + 4).toFixed(1)}" text-anchor="end" class="quiet">${label}</text>`
}

function lower(part: number): number {
  return LOWER.top + LOWER.height * (1 - place(part))
}

/** Where a part lies in the stretch that is shown, 0 to 1. */
function place(part: number): number {
  return Math.max(0, Math.min(1, (part - SHOWN.low) / (SHOWN.high - SHOWN.low)))
}

function shown(part: number): string {
  const percent = 100 * part
  return `${percent < 20 && !Number.isInteger(percent) ? percent.toFixed(2).replace(/0$/, '') : percent.toFixed(0)} %`
}
