import { createSocket } from 'node:dgram'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ReceiveDrops } from '../../../src/cde/guard/receive-drops.ts'

const HEAD =
  '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops'
const line = (port: string, drops: string) =>
  `  12: 0100007F:${port} 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000 ${drops}`

t.test('what a port lost is told once, and only of the ports asked for', async (t) => {
  const file = join(t.testdir(), 'udp')
  const drops = new ReceiveDrops([file, join(t.testdirName, 'none')])
  const ports = new Set([0x7530])
  writeFileSync(file, [HEAD, line('7530', '3'), line('7532', '9'), ''].join('\n'))
  t.equal(await drops.look(ports), 3)
  t.equal(await drops.look(ports), 0)
  writeFileSync(file, [HEAD, line('7530', '5'), ''].join('\n'))
  t.equal(await drops.look(ports), 2)
  writeFileSync(file, 'no list\n7530 7530:7530 x')
  t.equal(await drops.look(ports), 0)
  writeFileSync(file, [HEAD, line('7530', '1'), ''].join('\n'))
  t.equal(await drops.look(ports), 1, 'a new window on an old port counts from nothing')
})

t.test('the kernel’s own count of a socket that is not read is found', async (t) => {
  const full = createSocket({ type: 'udp4', recvBufferSize: 2_304 })
  await new Promise<void>((resolve) => full.bind(0, '127.0.0.1', resolve))
  const { port } = full.address()
  const sender = createSocket('udp4')
  t.teardown(() => {
    full.close()
    sender.close()
  })
  await new Promise<void>((resolve) => sender.connect(port, '127.0.0.1', resolve))
  // All in one turn of the event loop: nothing is taken in between.
  for (let sent = 0; sent < 200; sent += 1) sender.send(Buffer.alloc(1_000))
  t.ok((await new ReceiveDrops().look(new Set([port]))) > 0)
})
