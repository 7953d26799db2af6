import { createRequire } from 'node:module'

/**
 * A program: the barest B2BUA that drachtio-srf makes, with descriptions passed through as they are. Its arguments are
 * the port and the secret of the SIP server's control protocol, and whom all calls go to.
 */
type Dialog = { on(event: 'destroy', listener: () => void): void; destroy(): void }
type Library = {
  connect(options: { readonly host: string; readonly port: number; readonly secret: string }): void
  on(event: 'connect' | 'error', listener: (error: unknown) => void): void
  invite(listener: (request: { readonly body: string }, response: unknown) => void): void
  createB2BUA(
    request: unknown,
    response: unknown,
    uri: string,
    options: { readonly localSdpB: string },
  ): Promise<{ readonly uas: Dialog; readonly uac: Dialog }>
}

const Srf = createRequire(import.meta.url)('drachtio-srf') as new () => Library

const [port, secret, callee] = process.argv.slice(2)
if (port === undefined || secret === undefined || callee === undefined) throw new Error('port, secret and callee')

const library = new Srf()
library.on('error', () => undefined)
library.on('connect', () => process.send?.({ type: 'connected' }))
library.invite((request, response) => {
  library.createB2BUA(request, response, `sip:agent@${callee}`, { localSdpB: request.body }).then(
    ({ uas, uac }) => {
      uas.on('destroy', () => uac.destroy())
      uac.on('destroy', () => uas.destroy())
    },
    () => undefined,
  )
})
library.connect({ host: '127.0.0.1', port: Number(port), secret })
process.on('disconnect', () => process.exit(0))
