/** Drawing in SVG 1.1: light, printable, with text as text. Lengths are in CSS pixels. */

export const INK = '#1d2733'
export const PAPER = '#ffffff'
export const QUIET = '#5b6875'
/** Where card digits are. Also told by a thick line: colour alone tells nobody who cannot see it. */
export const DIGITS = '#b3261e'
const FONT = 'system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif'

export type Point = readonly [x: number, y: number]

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** A whole drawing. `title` and `description` are for who does not see it. */
export function drawing(options: {
  readonly id: string
  readonly width: number
  readonly height: number
  readonly title: string
  readonly description: string
  readonly body: readonly string[]
}): string {
  const { id, width, height, title, description, body } = options
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="${id}-drawing-title ${id}-drawing-description" font-family="${FONT}" font-size="13" fill="${INK}">
<title id="${id}-drawing-title">${escapeXml(title)}</title>
<desc id="${id}-drawing-description">${escapeXml(description)}</desc>
<defs>
${marker('end', QUIET)}
${marker('digits', DIGITS)}
</defs>
<rect width="${width}" height="${height}" fill="${PAPER}"/>
${body.join('\n')}
</svg>
`

  function marker(name: string, colour: string): string {
    return `<marker id="${id}-${name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="${colour}"/></marker>`
  }
}

/** Lines of text below each other, `size` high, the first at `y`. */
export function textLines(
  lines: readonly string[],
  at: {
    readonly x: number
    readonly y: number
    readonly size?: number
    readonly step?: number
    readonly anchor?: 'start' | 'middle'
    readonly bold?: boolean
    readonly colour?: string
  },
): string {
  const { x, y, size = 13, step = size + 4, anchor = 'start', bold = false, colour = INK } = at
  return lines
    .map(
      (line, index) =>
        `<text x="${x}" y="${y + index * step}" font-size="${size}" text-anchor="${anchor}" fill="${colour}"${bold ? ' font-weight="600"' : ''}>${escapeXml(line)}</text>`,
    )
    .join('\n')
}

export function box(at: {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly fill: string
  readonly stroke: string
  readonly thick?: boolean
  readonly dashed?: boolean
}): string {
  const { x, y, width, height, fill, stroke, thick = false, dashed = false } = at
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6" fill="${fill}" stroke="${stroke}" stroke-width="${thick ? 2.5 : 1.2}"${dashed ? ' stroke-dasharray="6 4"' : ''}/>`
}

/** A line through points, with an arrow at its end. */
export function arrow(options: {
  readonly id: string
  readonly points: readonly Point[]
  readonly digits: boolean
}): string {
  const { id, points, digits } = options
  const path = points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x},${y}`).join(' ')
  return `<path d="${path}" fill="none" stroke="${digits ? DIGITS : QUIET}" stroke-width="${digits ? 3 : 1.4}" stroke-linejoin="round" marker-end="url(#${id}-${digits ? 'digits' : 'end'})"/>`
}

/** A number on a line, which the list below explains. */
export function badge(number: number, [x, y]: Point, digits: boolean): string {
  return `<circle cx="${x}" cy="${y}" r="10" fill="${PAPER}" stroke="${digits ? DIGITS : QUIET}" stroke-width="1.4"/>
<text x="${x}" y="${y + 4}" font-size="11" text-anchor="middle" font-weight="600" fill="${digits ? DIGITS : INK}">${number}</text>`
}
