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
  management: { name: 'Management, and services outside', x: 15, y: 670, width: 1_170, height: 115 },
}

/** Each has its place whether it is configured or not, so that no line has to go around another's box. */
const PLACES: Readonly<Record<FlowEnd, Area>> = {
  carrier: { x: 30, y: 70, width: 150, height: 330 },
  sipd: { x: 330, y: 55, width: 160, height: 70 },
  sbc: { x: 540, y: 165, width: 160, height: 70 },
  rtpengine: { x: 330, y: 325, width: 160, height: 80 },
  guard: { x: 330, y: 435, width: 160, height: 80 },
  vault: { x: 330, y: 545, width: 160, height: 65 },
  database: { x: 600, y: 545, width: 150, height: 65 },
  'payment-system': { x: 655, y: 385, width: 150, height: 60 },
  detokenizer: { x: 690, y: 460, width: 115, height: 60 },
  desk: { x: 870, y: 165, width: 140, height: 70 },
  browser: { x: 870, y: 265, width: 140, height: 60 },
  'contact-centre': { x: 1_035, y: 70, width: 140, height: 330 },
  // A row: who is asked by sipd stands left, the operator below the vault, and who hears from the vault behind.
  resolver: inRow(0),
  homer: inRow(1),
  operator: inRow(2),
  acquirer: inRow(3),
  'key-service': inRow(4),
  syslog: inRow(5),
  clock: inRow(6),
  prometheus: inRow(7),
}

function inRow(place: number): Area {
  return { x: 30 + place * 145, y: 705, width: 135, height: 65 }
}

/** The boxes of these ends. */
export function placesOf(ends: readonly FlowEnd[]): ReadonlyMap<FlowEnd, Area> {
  return new Map(ends.map((end) => [end, PLACES[end]]))
}

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
    [400, 705],
    [400, 610],
  ],
  'payment-system vault': [
    [672, 445],
    [672, 523],
    [455, 523],
    [455, 545],
  ],
  'detokenizer vault': [
    [750, 520],
    [750, 534],
    [478, 534],
    [478, 545],
  ],
  'operator sbc': [
    [350, 705],
    [350, 635],
    [229, 635],
    [229, 270],
    [560, 270],
    [560, 235],
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
    [x, 631],
    [835, 631],
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
  acquirer: { offset: 94, lane: 659 },
  'key-service': { offset: 112, lane: 652 },
  syslog: { offset: 130, lane: 645 },
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
