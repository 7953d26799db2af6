import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { eventually } from './eventually.ts'

const BEGUN_MS_MAX = 20_000
const WRITTEN_MS_MAX = 10_000
/** The end of what the site said: a datagram of the test's own. */
const MARK = 'what follows was sent by the test itself'
/** Kernel's buffer: nothing is lost while a busy machine does not read. */
const BUFFER_MIB = 32

/** Every packet on loopback to or from some ports, by dumpcap. */
export class LoopbackCapture {
  readonly #file: string
  readonly #child: ChildProcess
  readonly #port: number

  private constructor(file: string, child: ChildProcess, port: number) {
    this.#file = file
    this.#child = child
    this.#port = port
  }

  /** `port`: a free UDP port for the end of the capture. Rejects when this machine lets nobody capture. */
  static async start(options: {
    readonly file: string
    readonly ports: readonly number[]
    readonly ranges: readonly { readonly first: number; readonly last: number }[]
    readonly port: number
  }): Promise<LoopbackCapture> {
    const { file, ports, ranges, port } = options
    const filter = [
      ...[...ports, port].map((one) => `port ${one}`),
      ...ranges.map(({ first, last }) => `portrange ${first}-${last}`),
    ].join(' or ')
    const child = spawn('dumpcap', ['-i', 'lo', '-q', '-B', String(BUFFER_MIB), '-f', filter, '-w', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let text = ''
    child.stderr.setEncoding('utf8').on('data', (more: string) => (text += more))
    await eventually(() => /^File: /m.test(text) || child.exitCode !== null, BEGUN_MS_MAX)
    if (child.exitCode !== null) throw new Error(`dumpcap: ${text}`)
    return new LoopbackCapture(file, child, port)
  }

  /**
   * Ends the capture behind `control`, which is sent as a last datagram: it must be found in `after`, or nothing would be found in
   * `before` either, which is all that came earlier.
   */
  async end(control: Buffer): Promise<{ readonly before: Buffer; readonly after: Buffer }> {
    const socket = createSocket('udp4')
    // Nobody listens there; a connected socket would be told so, one that is not does not mind.
    await new Promise((sent) => socket.send(Buffer.concat([Buffer.from(MARK), control]), this.#port, '127.0.0.1', sent))
    socket.close()
    await eventually(() => readFileSync(this.#file).includes(MARK), WRITTEN_MS_MAX)
    this.kill()
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
    const captured = readFileSync(this.#file)
    const mark = captured.indexOf(MARK)
    return { before: captured.subarray(0, mark), after: captured.subarray(mark) }
  }

  /** Safe to call twice. */
  kill(): void {
    if (this.#child.exitCode === null) this.#child.kill('SIGTERM')
  }
}
