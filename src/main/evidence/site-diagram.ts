import type { Flow, FlowAddress, FlowEnd } from '../flows.ts'
import { ZONES } from '../flows.ts'
import { badgePlace, placesOf, PLAN_HEIGHT, PLAN_WIDTH, wayBetween, ZONE_AREAS } from './site-plan.ts'
import { arrow, badge, box, DIGITS, drawing, INK, QUIET, textLines } from './svg.ts'

export type PlacedFlow = Flow & { readonly addresses: readonly FlowAddress[] }

/** What stands in a box: its name, and lines below it. `digits`: card digits are in it in clear. */
export type BoxText = { readonly name: string; readonly lines: readonly string[]; readonly digits: boolean }

const ZONE_FILL: Readonly<Record<keyof typeof ZONE_AREAS, string>> = {
  carrier: '#f3f5f8',
  edge: '#f3f5f8',
  cde: '#fdf0ee',
  'contact-centre': '#eef5f0',
  management: '#f7f6f2',
}
const LINES_MAX = 4
const LEGEND_CHARACTERS = 84
const LEGEND_STEP = 17
const LEGEND_TOP = PLAN_HEIGHT + 45

/** All flows between two ends are one line with one number; the list below says what they are. */
type Line = {
  readonly from: FlowEnd
  readonly to: FlowEnd
  readonly digits: boolean
  readonly flows: readonly PlacedFlow[]
}

/** Draws zones, boxes and numbered lines, and below them what each number is. `say`: the words of one flow. */
export function siteDiagram(options: {
  readonly id: string
  readonly title: string
  readonly description: string
  readonly flows: readonly PlacedFlow[]
  readonly text: (end: FlowEnd) => BoxText
  readonly say: (flow: PlacedFlow) => string
  readonly legend: string
}): string {
  const { id, title, description, flows, text, say, legend } = options
  const lines = linesOf(flows)
  const places = placesOf([...new Set(lines.flatMap(({ from, to }) => [from, to]))])
  const ways = lines.map(({ from, to }) => wayBetween(from, to, places))
  const texts = lines.map((line, index) => legendText(line, index + 1, say, text))
  const half = halfOf(texts.map((entry) => entry.length))
  const rows = Math.max(count(texts.slice(0, half)), count(texts.slice(half)))
  const body = [
    ...Object.entries(ZONE_AREAS).map(([zone, area]) => {
      const name = textLines([area.name], { x: area.x + 12, y: area.y + 22, size: 13, bold: true, colour: QUIET })
      const fill = ZONE_FILL[zone as keyof typeof ZONE_FILL]
      return `${box({ ...area, fill, stroke: zone === 'cde' ? DIGITS : '#9aa5b1', dashed: true })}\n${name}`
    }),
    ...ways.map((points, index) => arrow({ id, points, digits: lines[index]?.digits ?? false })),
    ...[...places].map(([end, area]) => boxOf(text(end), area)),
    ...ways.map((points, index) =>
      badge(index + 1, badgePlace(points, index % 2 === 0 ? 0.46 : 0.56), lines[index]?.digits ?? false),
    ),
    textLines([legend], { x: 15, y: PLAN_HEIGHT + 16, size: 13, bold: true }),
    ...column(texts.slice(0, half), 15),
    ...column(texts.slice(half), 610),
  ]
  return drawing({ id, width: PLAN_WIDTH, height: LEGEND_TOP + rows * LEGEND_STEP, title, description, body })
}

function linesOf(flows: readonly PlacedFlow[]): readonly Line[] {
  const lines = new Map<string, Line>()
  for (const flow of flows) {
    const { from, to, digits } = flow
    const back = lines.get(`${to} ${from}`)
    // sbc and sipd speak over two connections, each begun by the other.
    const both = back !== undefined && from !== 'sipd' ? `${to} ${from}` : `${from} ${to}`
    const key = from === 'prometheus' ? from : both
    const line = lines.get(key) ?? { from, to, digits: false, flows: [] }
    lines.set(key, { ...line, digits: line.digits || digits, flows: [...line.flows, flow] })
  }
  return [...lines.values()]
}

function boxOf(
  { name, lines, digits }: BoxText,
  area: { x: number; y: number; width: number; height: number },
): string {
  const shown =
    lines.length > LINES_MAX ? [...lines.slice(0, LINES_MAX - 1), `and ${lines.length - LINES_MAX + 1} more`] : lines
  const x = area.x + area.width / 2
  const y = area.y + area.height / 2 - (shown.length * 13) / 2
  return [
    box({ ...area, fill: '#ffffff', stroke: digits ? DIGITS : INK, thick: digits }),
    textLines([name], { x, y: y + 4, size: 13, anchor: 'middle', bold: true }),
    textLines(shown, { x, y: y + 19, size: 10.5, step: 13, anchor: 'middle', colour: QUIET }),
  ].join('\n')
}

function legendText(
  line: Line,
  number: number,
  say: (flow: PlacedFlow) => string,
  text: (end: FlowEnd) => BoxText,
): readonly string[] {
  const said = [...new Set(line.flows.map(say))]
  const words = said.filter((one) => !said.some((other) => other !== one && other.startsWith(one))).join('; ')
  const to = line.from === 'prometheus' ? 'every process' : text(line.to).name
  return wrapped(`${number}  ${text(line.from).name} → ${to}: ${words}`, LEGEND_CHARACTERS)
}

function column(texts: readonly (readonly string[])[], x: number): readonly string[] {
  let y = LEGEND_TOP
  return texts.map((lines) => {
    const [first = '', ...more] = lines
    const drawn = [
      textLines([first], { x, y, size: 12 }),
      textLines(more, { x: x + 18, y: y + LEGEND_STEP, size: 12, step: LEGEND_STEP }),
    ]
    y += lines.length * LEGEND_STEP
    return drawn.join('\n')
  })
}

/** How many entries make up half of all lines. */
function halfOf(lengths: readonly number[]): number {
  const all = lengths.reduce((sum, length) => sum + length, 0)
  let sum = 0
  return Math.max(1, lengths.findIndex((length) => (sum += length) * 2 >= all) + 1)
}

function count(texts: readonly (readonly string[])[]): number {
  return texts.reduce((sum, lines) => sum + lines.length, 0)
}

function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** The zone that an end stands in, as the drawing calls it. */
export function zoneName(end: FlowEnd): string {
  return ZONE_AREAS[ZONES[end]].name
}
