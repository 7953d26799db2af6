import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { eventually } from './eventually.ts'
import { ZONE_NAMES, type ZoneName, type ZoneNetwork } from './zone-network.ts'

const run = promisify(execFile)
const START_MS_MAX = 20_000
/** dumpcap asks the kernel four times a second. */
const READ_MS = 500
const TSHARK_MS_MAX = 60_000
const TSHARK_BYTES_MAX = 256 * 1_048_576
/** Room for what a busy machine does not fetch in time. */
const BUFFER_MIB = 16
/** The head of a capture with its interfaces is there before the first packet. */
const HEAD_BYTES_MIN = 100

/** Everything that passes the wall's interfaces, each the boundary of a zone, as dumpcap writes it. */
export class BoundaryCapture {
  readonly file: string
  readonly #folder: string
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>

  private constructor(folder: string, file: string, child: ChildProcess) {
    this.#folder = folder
    this.file = file
    this.#child = child
    this.#ended = once(child, 'exit')
  }

  static async open(network: ZoneNetwork, folder: string): Promise<BoundaryCapture> {
    const file = join(folder, 'boundaries.pcapng')
    const interfaces = ZONE_NAMES.flatMap((zone) => ['-i', zone])
    const [program, given] = network.within('wall', [
      'dumpcap',
      '-q',
      '-B',
      String(BUFFER_MIB),
      ...interfaces,
      '-w',
      file,
    ])
    // Whatever ends this test ends the capture.
    const child = spawn('setpriv', ['--pdeathsig=KILL', program, ...given], { stdio: 'ignore' })
    const capture = new BoundaryCapture(folder, file, child)
    await eventually(() => existsSync(file) && statSync(file).size > HEAD_BYTES_MIN, START_MS_MAX)
    return capture
  }

  /** Ends the capture; the file is whole then. Safe to call twice. */
  async close(): Promise<void> {
    // What came last may not have been read yet.
    await delay(READ_MS)
    this.#child.kill('SIGINT')
    await this.#ended
  }

  /** Fields of the packets that passed one boundary, or all of them, and that fit a display filter of tshark. */
  async fields(options: {
    readonly zone?: ZoneName
    readonly filter?: string
    readonly decodeAs?: string
    readonly fields: readonly string[]
  }): Promise<readonly (readonly string[])[]> {
    const { zone, filter, decodeAs, fields } = options
    const filters = [...(zone === undefined ? [] : [`frame.interface_name == "${zone}"`]), ...(filter ? [filter] : [])]
    const { stdout } = await run(
      'tshark',
      [
        ...['-n', '-r', this.file, '-T', 'fields', '-E', 'separator=|', '-E', 'occurrence=f'],
        ...(decodeAs === undefined ? [] : ['-d', decodeAs]),
        ...(filters.length === 0 ? [] : ['-Y', filters.join(' && ')]),
        ...fields.flatMap((field) => ['-e', field]),
      ],
      { timeout: TSHARK_MS_MAX, maxBuffer: TSHARK_BYTES_MAX },
    )
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('|'))
  }

  /** All bytes that passed one boundary. */
  async bytes(zone: ZoneName): Promise<Buffer> {
    const file = join(this.#folder, `${zone}.pcapng`)
    await run('tshark', ['-n', '-r', this.file, '-Y', `frame.interface_name == "${zone}"`, '-w', file], {
      timeout: TSHARK_MS_MAX,
    })
    return readFile(file)
  }
}
