import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { readSecret } from '../../src/main/development-secrets.ts'
import type { CpsSite } from './cps-site.ts'
import { writeSite } from './product-site.ts'
import { RoleProcesses } from './role-processes.ts'

const CONNECT_MS_MAX = 10_000

/** sipd with a bare drachtio-srf B2BUA on it, no media: what the SIP server and the library take without the sbc. */
export async function startBareSite(): Promise<CpsSite> {
  const site = await writeSite()
  const roles = await RoleProcesses.start({ ...site, only: ['sipd'] })
  const { control, secretFile } = site.configuration.sip
  const child = fork(
    join(import.meta.dirname, 'bare-b2bua.ts'),
    [String(control.port), readSecret(secretFile), `${site.callee.host}:${site.callee.port}`],
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  )
  const close = async (): Promise<void> => {
    child.kill('SIGKILL')
    await roles.close()
    rmSync(site.folder, { recursive: true, force: true })
  }
  try {
    await once(child, 'message', { signal: AbortSignal.timeout(CONNECT_MS_MAX) })
  } catch (error) {
    await close()
    throw error
  }
  return {
    name: 'sipd + bare B2BUA, no media',
    ...site,
    signalling: new Map([
      ['sipd', [roles.pidOf('sipd')]],
      ['application', [child.pid ?? 0]],
    ]),
    media: new Map(),
    metrics: new Map(),
    close,
  }
}
