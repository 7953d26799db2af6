import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { authority } from './api-site.ts'

const own = authority.leaf({ dns: ['vault.tonewall.internal'] })

/** A vault with its API in a process of its own, which whoever started it kills. */
export async function startChild(
  folder: string,
  acquirer: { readonly url: string; readonly authority: string },
): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const identity = {
    certificate: String(own.certificate),
    key: String(own.key),
    authority: String(authority.certificate),
  }
  const options = JSON.stringify({ folder, identity, ...acquirer })
  // Without the runner's own options, which it hands down in the environment.
  const child = spawn(process.execPath, [join(import.meta.dirname, 'api-child.ts'), options], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {},
  })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, port: Number(line.toString()) }
}
