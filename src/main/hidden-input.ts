/** A share has seventy letters. */
const LINE_BYTES_MAX = 512
const LINE_END = 0x0a
const RETURN = 0x0d
const DELETE = 0x7f
const BACKSPACE = 0x08
/** Ctrl-C and Ctrl-D. */
const ENDS: readonly number[] = [0x03, 0x04]

export type HiddenInput = {
  readonly isTerminal: boolean
  /** One line, not shown while it is typed. Null: the input has ended, or it was broken off. The caller wipes it. */
  readonly readHidden: (prompt: string) => Promise<Buffer | null>
}

/** Lines of standard input, or of a terminal without echo. What was read is in the returned buffer, and was overwritten elsewhere. */
export function hiddenInput(input: NodeJS.ReadStream, ask: (prompt: string) => void): HiddenInput {
  const isTerminal = input.isTTY
  return { isTerminal, readHidden: (prompt) => readLine(input, isTerminal ? () => ask(prompt) : () => undefined) }
}

function readLine(input: NodeJS.ReadStream, ask: () => void): Promise<Buffer | null> {
  const line = Buffer.from(new ArrayBuffer(LINE_BYTES_MAX))
  let length = 0
  const terminal = input.isTTY ? input : null
  terminal?.setRawMode(true)
  ask()
  return new Promise((resolve) => {
    const settle = (isGood: boolean): void => {
      input.off('data', take)
      input.off('end', ended)
      input.off('error', failed)
      input.pause()
      terminal?.setRawMode(false)
      if (isGood) return resolve(line.subarray(0, length))
      line.fill(0)
      resolve(null)
    }
    const ended = (): void => settle(length > 0)
    const failed = (): void => settle(false)
    const take = (chunk: Buffer): void => {
      for (const [at, byte] of chunk.entries()) {
        const isOver = byte === LINE_END || byte === RETURN
        if (isOver || length === LINE_BYTES_MAX || ENDS.includes(byte)) {
          const rest = Buffer.from(chunk.subarray(at + 1))
          chunk.fill(0)
          settle(isOver)
          // The next line is somebody else's to read.
          if (terminal === null && rest.length > 0) input.unshift(rest)
          return
        }
        if (byte !== DELETE && byte !== BACKSPACE) line[length++] = byte
        else if (length > 0) line[--length] = 0
      }
      chunk.fill(0)
    }
    input.on('data', take)
    input.once('end', ended)
    input.once('error', failed)
    input.resume()
  })
}
