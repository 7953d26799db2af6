import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import type { ListenAddress } from '../../src/main/listen-address.ts'
import { checkPorts, portProblemText } from '../../src/main/port-check.ts'
import { freePort } from '../fakes/free-port.ts'

const at = (transport: 'udp' | 'tcp', port: number, host = '127.0.0.1'): ListenAddress => ({
  host,
  port,
  transport,
  process: 'desk',
  path: ['desk', 'port'],
})

t.test('free ports are fine, and free again after the look', async (t) => {
  const port = await freePort()
  for (let look = 0; look < 2; look += 1) t.same(await checkPorts([at('udp', port), at('tcp', port)]), [])
})

t.test('a taken port is told with its port, host, key and cure', async (t) => {
  const port = await freePort()
  const server = createServer().listen(port, '127.0.0.1')
  const socket = createSocket('udp4').bind(port, '127.0.0.1')
  await Promise.all([once(server, 'listening'), once(socket, 'listening')])
  t.teardown(() => {
    server.close()
    socket.close()
  })
  const problems = await checkPorts([at('tcp', port), at('udp', port)])
  t.match(problems, [{ code: 'EADDRINUSE' }, { code: 'EADDRINUSE' }])
  const [text] = problems.map(portProblemText)
  t.match(text, new RegExp(`TCP port ${port} on 127.0.0.1 \\(desk.port\\) is taken.*change desk.port`))
})

t.test('an address of another machine is told with the key of the host', async (t) => {
  const [problem] = await checkPorts([at('tcp', await freePort(), '192.0.2.1')])
  t.match(problem, { code: 'EADDRNOTAVAIL' })
  t.match(problem && portProblemText(problem), /no such address: change desk.host/)
})

t.test('keys in lists are written with their number', (t) => {
  const address = { ...at('udp', 5060), path: ['sip', 'udp', 1, 'port'] }
  t.match(portProblemText({ address, code: 'EACCES' }), /\(sip.udp\[1\].port\) needs rights/)
  t.match(portProblemText({ address, code: 'ELSE' }), /cannot be used/)
  t.end()
})
