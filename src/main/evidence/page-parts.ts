import { escapeXml } from './svg.ts'

/** Pieces of a page: every text is escaped, once, here. */
export type Html = { readonly html: string }

export function plain(text: string): Html {
  return { html: escapeXml(text) }
}

/** A template whose values are escaped unless they are pieces already. */
export function html(
  strings: TemplateStringsArray,
  ...values: readonly (string | number | Html | readonly Html[])[]
): Html {
  const text = strings.reduce((all, piece, index) => {
    const value = values[index - 1]
    return `${all}${value === undefined ? '' : htmlOf(value)}${piece}`
  })
  return { html: text }
}

function htmlOf(value: string | number | Html | readonly Html[]): string {
  if (typeof value === 'string' || typeof value === 'number') return escapeXml(String(value))
  return 'html' in value ? value.html : value.map((piece) => piece.html).join('\n')
}

/** A table with a head for each column; the first cell of a row is its head. `widths` are shares of the page, in percent. */
export function table(options: {
  readonly caption: string
  readonly heads: readonly string[]
  readonly widths?: readonly number[]
  readonly rows: readonly (readonly (string | Html)[])[]
}): Html {
  const { caption, heads, widths = [], rows } = options
  const columns = widths.map((width) => html`<col style="width:${width}%" />`)
  const cell = (content: string | Html, index: number): Html =>
    index === 0 ? html`<th scope="row">${content}</th>` : html`<td>${content}</td>`
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <colgroup>
        ${columns}
      </colgroup>
      <thead>
        <tr>
          ${heads.map((head) => html`<th scope="col">${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map(cell)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}

export function section(id: string, title: string, ...content: readonly Html[]): Html {
  return html`<section id="${id}" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}</h2>
    ${content}
  </section>`
}

/** A text with pieces of code in backquotes. */
export function prose(text: string): Html {
  return {
    html: text
      .split('`')
      .map((piece, index) => (index % 2 === 0 ? plain(piece) : code(piece)).html)
      .join(''),
  }
}

export function code(text: string): Html {
  return html`<code>${text}</code>`
}

/** Words that say how something is, with a colour that says it again. */
export function mark(isGood: boolean, text: string): Html {
  return html`<span class="${isGood ? 'good' : 'bad'}">${text}</span>`
}

/** Light, also where a reader prefers dark: it is meant for paper. */
export const PAGE_STYLE = `
:root { color-scheme: light; --ink: #1d2733; --quiet: #5b6875; --line: #d5dbe1; --bad: #b3261e; --good: #1b6e3c; font: 15px/1.5 system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 24px; max-width: 1120px; color: var(--ink); background: #fff }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px }
h2 { font-size: 20px; margin: 40px 0 8px; padding-top: 8px; border-top: 2px solid var(--ink) }
h3 { font-size: 16px; margin: 24px 0 4px }
p { margin: 6px 0; max-width: 78ch }
.quiet { color: var(--quiet); font-weight: 400 }
a { color: #1a5fb4 } a:focus-visible { outline: 3px solid #1a5fb4; outline-offset: 2px }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 20px; list-style: none; padding: 0; margin: 12px 0 }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 12px 0 } dl.facts dt { color: var(--quiet) } dl.facts dd { margin: 0 }
table { border-collapse: collapse; width: 100%; margin: 12px 0 24px; font-size: 13px; line-height: 1.4 }
caption { text-align: left; font-weight: 600; padding: 4px 0 }
th, td { text-align: left; vertical-align: top; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; font-weight: 400 }
thead th { font-weight: 600; border-bottom: 2px solid var(--line) } tbody th { font-weight: 600 }
.scroll { overflow-x: auto } .scroll:focus-visible { outline: 3px solid #1a5fb4 } @media screen { .scroll table { min-width: 720px } }
code { font: 12px/1.4 ui-monospace, DejaVu Sans Mono, monospace; overflow-wrap: anywhere }
figure { margin: 16px 0 } figure svg { max-width: 100%; height: auto; border: 1px solid var(--line) }
.bad { color: var(--bad); font-weight: 600 } .good { color: var(--good); font-weight: 600 }
ol.findings li { margin: 6px 0 } ul { margin: 6px 0 }
@page { size: A4; margin: 14mm 12mm }
@media print {
  :root { font-size: 10pt }
  body { padding: 0; max-width: none } nav { display: none } a { color: inherit; text-decoration: none }
  table { font-size: 8pt } code { font-size: 7.5pt }
  h2 { break-after: avoid } tr, figure, li { break-inside: avoid } thead { display: table-header-group }
  #data-flow, #network { break-before: page }
  .scroll { overflow: visible }
}`
