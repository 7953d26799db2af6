/** One server-sent event. */
export type StreamEvent = { readonly id: string; readonly type: string; readonly data: string }

/** A snapshot of ten thousand calls stays below this; more without an end is no stream of ours. */
const UNFINISHED_CHARS_MAX = 16_777_216

/** Puts the chunks of an event stream together (WHATWG HTML section 9.2.6; our desk ends lines with \n only). */
export class EventParser {
  #unfinished = ''

  /** The events that this chunk completed; 'malformed' when no end is in sight. */
  push(chunk: string): readonly StreamEvent[] | 'malformed' {
    const blocks = (this.#unfinished + chunk).split('\n\n')
    this.#unfinished = blocks.pop() ?? ''
    if (this.#unfinished.length > UNFINISHED_CHARS_MAX) return 'malformed'
    return blocks.map(parseBlock).filter((event) => event !== null)
  }
}

function parseBlock(block: string): StreamEvent | null {
  let id = ''
  let type = 'message'
  const data: string[] = []
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const value = line.slice(colon + 1).replace(/^ /, '')
    const name = line.slice(0, colon)
    if (name === 'id') id = value
    else if (name === 'event') type = value
    else if (name === 'data') data.push(value)
  }
  return data.length === 0 ? null : { id, type, data: data.join('\n') }
}
