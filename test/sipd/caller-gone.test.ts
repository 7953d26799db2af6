import t from 'tap'
import { application, serve, type AppDialog, type AppRequest, type AppResponse } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

/** 64 * T1 of the test: so long an answer that nobody can be told waits for its ACK. */
const T1_MS = 20

t.test('a caller whose connection breaks while it rings: the answer finds nobody, and the call is ended', async (t) => {
  const served = await serve(t, { limits: { t1Ms: T1_MS, t2Ms: 2 * T1_MS } })
  const caller = await RawPeer.tcp()
  const asked = Promise.withResolvers<readonly [AppRequest, AppResponse]>()
  const srf = await application(t, served.sipd, (app) =>
    app.invite((request, response) => {
      response.send(180)
      asked.resolve([request, response])
    }),
  )
  caller.request(served.tcp, { method: 'INVITE', body: SDP })
  await caller.nextResponse('INVITE', 180)
  const [request, response] = await asked.promise
  // Its port is closed too: neither the connection nor the address in its Via leads to it.
  await caller.close()
  const dialog: AppDialog = await srf.createUAS(request, response, { localSdp: SDP })
  const ended = await new Promise<AppRequest>((resolve) => dialog.on('destroy', resolve))
  t.equal(ended.method, 'BYE', 'the application is told as if the caller had hung up')
})

t.end()
