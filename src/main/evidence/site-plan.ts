import { ZONES, type FlowEnd, type Zone } from '../flows.ts'
import type { Point } from './svg.ts'

/** Where things stand in both diagrams: zones as areas, ends of flows as boxes in them. In pixels. */
export type Area = { readonly x: number; readonly y: number; readonly width: number; readonly height: number }

export const PLAN_WIDTH = 1_200
export const PLAN_HEIGHT = 800

export const ZONE_AREAS: Readonly<Record<Zone, Area & { readonly name: string }>> = {
  carrier: { name: 'Carrier zone', x: 15, y: 15, width: 180, height: 610 },
  edge: { name: 'Edge: SIP, no media', x: 235, y: 15, width: 580, height: 240 },
  cde: { name: 'Cardholder data environment', x: 235, y: 285, width: 580, height: 340 },
  'contact-centre': { name: 'Contact centre zone', x: 855, y: 15, width: 330, height: 610 },
  management: { name: 'Outside services', x: 15, y: 670, width: 1_170, height: 115 },
}

const PLACES: Readonly<Partial<Record<FlowEnd, Area>>> = {
  carrier: { x: 30, y: 70, width: 150, height: 330 },
  sipd: { x: 330, y: 55, width: 160, height: 70 },
  sbc: { x: 540, y: 165, width: 160, height: 70 },
  operator: { x: 260, y: 165, width: 150, height: 60 },
  rtpengine: { x: 330, y: 325, width: 160, height: 80 },
  guard: { x: 330, y: 435, width: 160, height: 80 },
  vault: { x: 330, y: 545, width: 160, height: 65 },
  database: { x: 600, y: 545, width: 150, height: 65 },
  'payment-system': { x: 655, y: 425, width: 150, height: 60 },
  desk: { x: 870, y: 165, width: 140, height: 70 },
  browser: { x: 870, y: 265, width: 140, height: 60 },
  'contact-centre': { x: 1_035, y: 70, width: 140, height: 330 },
}

/** Services outside stand in a row; each end that has no place of its own is added to it. */
const ROW = { first: 30, step: 165, y: 705, width: 150, height: 65 }

/** The boxes of these ends. */
export function placesOf(ends: readonly FlowEnd[]): ReadonlyMap<FlowEnd, Area> {
  const inRow = ends.filter((end) => PLACES[end] === undefined)
  return new Map(
    ends.map((end) => {
      const { first, step, y, width, height } = ROW
      return [end, PLACES[end] ?? { x: first + inRow.indexOf(end) * step, y, width, height }]
    }),
  )
}

/** The order of the row: who is asked by sipd stands left, who hears from the vault behind. */
export const ROW_ORDER: readonly FlowEnd[] = [
  'resolver',
  'homer',
  'acquirer',
  'key-service',
  'syslog',
  'clock',
  'prometheus',
]

/** Lines that would else go through boxes: corners between the two ends, by `from to`. */
export function wayBetween(from: FlowEnd, to: FlowEnd, places: ReadonlyMap<FlowEnd, Area>): readonly Point[] {
  const start = places.get(from)
  const end = places.get(to)
  if (start === undefined || end === undefined) return []
  const known = KNOWN_WAYS[`${from} ${to}`] ?? KNOWN_WAYS[`${to} ${from}`]?.toReversed()
  if (known !== undefined) return known
  if (from === 'prometheus') return toEveryProcess(start)
  if (ZONES[to] === 'management') return downTo(from, to, start, end)
  return [middle(start), middle(end)]
}

const KNOWN_WAYS: Readonly<Record<string, readonly Point[]>> = {
  'carrier sipd': [
    [180, 90],
    [330, 90],
  ],
  'sipd contact-centre': [
    [490, 90],
    [1_035, 90],
  ],
  'carrier rtpengine': [
    [180, 365],
    [330, 365],
  ],
  'contact-centre rtpengine': [
    [1_035, 365],
    [490, 365],
  ],
  'guard rtpengine': [
    [410, 435],
    [410, 405],
  ],
  'sbc rtpengine': [
    [580, 235],
    [580, 345],
    [490, 345],
  ],
  'sbc guard': [
    [640, 235],
    [640, 475],
    [490, 475],
  ],
  'guard vault': [
    [410, 515],
    [410, 545],
  ],
  'sbc sipd': [
    [540, 185],
    [430, 185],
    [430, 125],
  ],
  'sipd sbc': [
    [470, 125],
    [470, 150],
    [580, 150],
    [580, 165],
  ],
  'operator vault': [
    [285, 225],
    [285, 578],
    [330, 578],
  ],
  'payment-system vault': [
    [730, 485],
    [730, 530],
    [470, 530],
    [470, 545],
  ],
  'operator sbc': [
    [410, 210],
    [540, 210],
  ],
  'desk sbc': [
    [870, 200],
    [700, 200],
  ],
  'browser desk': [
    [940, 265],
    [940, 235],
  ],
  'vault database': [
    [490, 578],
    [600, 578],
  ],
}

/** Up between the zones, to the wall of each: the line ends at the CDE's. */
function toEveryProcess(start: Area): readonly Point[] {
  const x = start.x + start.width / 2
  return [
    [x, start.y],
    [x, 645],
    [835, 645],
    [835, 500],
    [815, 500],
  ]
}

/** Down to the row of outside services: sipd by the lane left of the CDE, all others straight down, each beside the next. */
function downTo(from: FlowEnd, to: FlowEnd, start: Area, end: Area): readonly Point[] {
  const x = end.x + end.width / 2
  if (from === 'sipd') {
    const lane = end.x < 100 ? 208 : 222
    const y = start.y + (lane === 208 ? 50 : 62)
    return [
      [start.x, y],
      [lane, y],
      [lane, end.y - (lane === 208 ? 50 : 62)],
      [x, end.y - (lane === 208 ? 50 : 62)],
      [x, end.y],
    ]
  }
  const { offset, lane } = BELOW_VAULT[to] ?? { offset: start.width / 2, lane: 645 }
  const out = x > start.x && x < start.x + start.width ? x : start.x + offset
  return [
    [out, start.y + start.height],
    [out, lane],
    [x, lane],
    [x, end.y],
  ]
}

/** Where a line leaves the vault's box, and how deep it turns, so that none crosses another. */
const BELOW_VAULT: Readonly<Partial<Record<FlowEnd, { readonly offset: number; readonly lane: number }>>> = {
  acquirer: { offset: 20, lane: 645 },
  'key-service': { offset: 112, lane: 659 },
  syslog: { offset: 130, lane: 652 },
  clock: { offset: 146, lane: 638 },
}

function middle({ x, y, width, height }: Area): Point {
  return [x + width / 2, y + height / 2]
}

/** On the longest piece of a line, this share of it from its beginning: where a number has room. */
export function badgePlace(points: readonly Point[], share = 0.5): Point {
  let best: Point = points[0] ?? [0, 0]
  let longest = -1
  for (const [index, [x, y]] of points.slice(1).entries()) {
    const [fromX, fromY] = points[index] ?? [x, y]
    const length = Math.hypot(x - fromX, y - fromY)
    if (length <= longest) continue
    longest = length
    best = [fromX + (x - fromX) * share, fromY + (y - fromY) * share]
  }
  return best
}
