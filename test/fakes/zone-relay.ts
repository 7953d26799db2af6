import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import type { HostPort } from '../../src/wire/configuration.ts'
import type { ZoneName, ZoneNetwork } from './zone-network.ts'

/** An address of our own by which a test reaches an address of a zone, as somebody who sits in that zone. */
export class ZoneRelay {
  readonly address: HostPort
  readonly #server: Server
  readonly #child: ChildProcess

  private constructor(server: Server, child: ChildProcess) {
    this.#server = server
    this.#child = child
    this.address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
  }

  static async open(options: {
    readonly network: ZoneNetwork
    readonly zone: ZoneName
    readonly to: HostPort
    readonly folder: string
  }): Promise<ZoneRelay> {
    const { network, zone, to } = options
    const file = join(options.folder, `${zone}-${to.port}.socket`)
    const [execPath, execArgv] = network.within(zone, [process.execPath])
    const given = [file, to.host, String(to.port)]
    const child = fork(new URL('zone-relay-process.ts', import.meta.url), given, {
      execPath,
      execArgv,
      // Nothing of a test runner's options.
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    await once(child, 'message')
    const server = createServer((socket) => {
      const far = connect(file)
      socket.pipe(far).pipe(socket)
      socket.on('error', () => far.destroy()).on('close', () => far.destroy())
      far.on('error', () => socket.destroy()).on('close', () => socket.destroy())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new ZoneRelay(server, child)
  }

  /** Safe to call twice. */
  close(): void {
    this.#server.close()
    if (this.#child.connected) this.#child.disconnect()
  }
}
