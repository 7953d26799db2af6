import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { pingRtpengine } from '../../src/main/ng-ping.ts'
import type { HostPort } from '../../src/wire/configuration.ts'
import { eventually } from '../../test/fakes/eventually.ts'
import { freePort } from '../../test/fakes/free-port.ts'

/**
 * Two rtpengines share the calls: one call takes four ports, and one process may often have no more than 20,000 files.
 * Their addresses are nobody else's, so that all ports of them are free.
 */
export const ENGINE_HOSTS = ['127.0.0.11', '127.0.0.12'] as const
export const ENGINE_PORT_MIN = 20_000
export const ENGINE_PORT_MAX = 39_999

const READY_MS_MAX = 5_000
const PING_MS = 200

export type Engines = {
  readonly addresses: readonly HostPort[]
  readonly pids: readonly number[]
  close(): Promise<void>
}

/** rtpengines as the product starts them, for a proxy that is not ours. */
export async function startEngines(): Promise<Engines> {
  const started: { readonly address: HostPort; readonly child: ChildProcess }[] = []
  const close = async (): Promise<void> => {
    for (const { child } of started) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
  try {
    for (const host of ENGINE_HOSTS) {
      const address = { host: '127.0.0.1', port: await freePort() }
      const child = spawn(
        'setpriv',
        [
          ...['--pdeathsig', 'KILL', 'rtpengine', '--config-file=none', '--table=-1', `--interface=lo/${host}`],
          ...[`--listen-ng=${address.host}:${address.port}`, `--port-min=${ENGINE_PORT_MIN}`],
          ...[`--port-max=${ENGINE_PORT_MAX}`, '--foreground', '--log-stderr', '--log-level=4'],
        ],
        { stdio: 'ignore' },
      )
      started.push({ address, child })
      await eventually(() => pingRtpengine(address, { deadlineMs: PING_MS }), READY_MS_MAX)
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    addresses: started.map(({ address }) => address),
    pids: started.map(({ child }) => child.pid ?? 0),
    close,
  }
}
