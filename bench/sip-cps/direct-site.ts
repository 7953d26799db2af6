import { freePort } from '../../test/fakes/free-port.ts'
import { CALLEE_HOST, type CpsSite } from './cps-site.ts'

/** Nothing stands between: what sipp and the machine take by themselves. */
export async function startDirectSite(): Promise<CpsSite> {
  const callee = { host: CALLEE_HOST, port: await freePort() }
  return {
    name: 'direct',
    sip: callee,
    callee,
    signalling: new Map(),
    media: new Map(),
    metrics: new Map(),
    close: () => Promise.resolve(),
  }
}
