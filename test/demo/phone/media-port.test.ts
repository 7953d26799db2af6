import t from 'tap'
import { MediaPort, boundSocket } from '../../../src/demo/phone/media-port.ts'

t.test('RTP goes to an even port, RTCP to the one after it', async (t) => {
  const heard: string[] = []
  let wake = (): void => undefined
  const both = new Promise<void>((resolve) => {
    wake = () => {
      if (heard.length === 2) resolve()
    }
  })
  const note = (what: string) => (bytes: Buffer) => {
    heard.push(`${what} ${bytes.toString()}`)
    wake()
  }
  const port = await MediaPort.open('127.0.0.2', { rtp: note('rtp'), rtcp: note('rtcp') })
  const other = await MediaPort.open('127.0.0.3', { rtp: note('no'), rtcp: note('no') })
  if (port === undefined || other === undefined) throw new Error('no port')
  t.equal(port.port % 2, 0)
  other.send(Buffer.from('one'), { host: port.address, port: port.port })
  other.send(Buffer.from('two'), { host: port.address, port: port.port + 1 })
  await both
  t.same(heard.sort(), ['rtcp two', 'rtp one'])
  for (const each of [port, port, other]) each.close()
  port.send(Buffer.from('late'), { host: other.address, port: other.port })
})

t.test('an address that is not ours, or a port that is taken, is said', async (t) => {
  t.equal(await MediaPort.open('192.0.2.1', { rtp: () => undefined, rtcp: () => undefined }), undefined)
  const socket = await boundSocket('127.0.0.2', 0)
  if (socket === undefined) throw new Error('no socket')
  t.equal(await boundSocket('127.0.0.2', socket.address().port), undefined)
  socket.close()
})
