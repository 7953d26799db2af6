import { createSocket } from 'node:dgram'
import { randomBytes } from 'node:crypto'
import type { HostPort } from '../wire/configuration.ts'

/**
 * Asks an rtpengine whether it is there: one `ping` of its ng protocol (a cookie, a blank, a bencoded dictionary)
 * answered by `pong`. False when no answer came in time. Calls are none of this file's business.
 */
export function pingRtpengine(address: HostPort, options: { readonly deadlineMs: number }): Promise<boolean> {
  const cookie = randomBytes(8).toString('hex')
  const socket = createSocket(address.host.includes(':') ? 'udp6' : 'udp4')
  return new Promise((resolve) => {
    const done = (answered: boolean): void => {
      clearTimeout(timer)
      socket.close()
      resolve(answered)
    }
    const timer = setTimeout(() => done(false), options.deadlineMs)
    // A refused datagram is the answer of a machine where nobody listens yet.
    socket.once('error', () => done(false))
    socket.once('message', (message) => done(message.toString('latin1').startsWith(`${cookie} d6:result4:pong`)))
    socket.connect(address.port, address.host, () => socket.send(`${cookie} d7:command4:pinge`))
  })
}
