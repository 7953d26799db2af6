import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import {
  Channel,
  ChannelClient,
  listenChannel,
  type ChannelHandlers,
  type ChannelRefusal,
} from '../../src/kit/channel.ts'
import { encodeFrame } from '../../src/kit/frame.ts'
import { roleName, type Role } from '../../src/kit/identity.ts'
import { createLogger } from '../../src/kit/log.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

type Text = { readonly text: string }
const parse = (value: unknown): Text | null =>
  typeof value === 'object' && value !== null && 'text' in value && typeof value.text === 'string'
    ? { text: value.text }
    : null

const host = '127.0.0.1'

/** A listener for guards that answers each request with its text turned round, and keeps what came. */
async function listen(
  t: Test,
  options: { readonly port?: number; readonly message?: ChannelHandlers<Text, Text>['message'] } = {},
) {
  const lines: string[] = []
  const refused: ChannelRefusal[] = []
  // The client may believe that it is connected before the server has looked at its certificate (TLS 1.3).
  const opened = Promise.withResolvers<Channel<Text, Text>>()
  const came: { readonly text: string; readonly body: string }[] = []
  let closed = 0
  const listener = await listenChannel<Text, Text>({
    host,
    port: options.port ?? 0,
    identity: sharedIdentity('vault'),
    allow: ['guard'],
    logger: createLogger({ role: 'vault', level: 'warn', stream: { write: (line) => lines.push(line) } }),
    refused: (code) => refused.push(code),
    accept: () => ({
      parse,
      message:
        options.message ??
        ((message, body, reply) => {
          came.push({ text: message.text, body: body.toString() })
          reply({ text: message.text.toUpperCase() }, body)
        }),
      opened: (channel) => opened.resolve(channel),
      closed: () => (closed += 1),
    }),
  })
  t.teardown(() => listener.close())
  return { listener, lines, refused, opened: opened.promise, came, closed: () => closed }
}

function client(
  t: Test,
  options: {
    readonly port: number
    readonly role?: Role
    readonly peer?: Role
    readonly message?: (message: Text) => void
  },
) {
  let opened: () => void = () => undefined
  let closed: () => void = () => undefined
  const made = new ChannelClient<Text, Text>({
    host,
    port: options.port,
    identity: sharedIdentity(options.role ?? 'guard'),
    peer: options.peer ?? 'vault',
    parse,
    message: (message) => options.message?.(message),
    opened: () => opened(),
    closed: () => closed(),
  })
  t.teardown(() => made.close())
  return {
    channel: made,
    open: async () => {
      if (!made.isOpen) await new Promise<void>((resolve) => (opened = resolve))
    },
    closed: async () => {
      if (made.isOpen) await new Promise<void>((resolve) => (closed = resolve))
    },
  }
}

/** Waits for the end, whether it comes with an error or without. */
function gone(socket: TLSSocket): Promise<void> {
  socket.on('error', () => undefined)
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

t.test('a request is answered, with its body both ways', async (t) => {
  const { listener, came } = await listen(t)
  const { channel, open } = client(t, { port: listener.port })
  await open()
  const answer = await channel.request({ text: 'hello' }, { deadlineMs: 5_000, body: Buffer.from('bytes') })
  t.match(answer, { kind: 'reply', message: { text: 'HELLO' } })
  t.equal(answer.kind === 'reply' && answer.body.toString(), 'bytes')
  t.same(came, [{ text: 'hello', body: 'bytes' }])
})

t.test('answers find their requests in whatever order they come', async (t) => {
  const replies: (() => void)[] = []
  const { listener } = await listen(t, {
    message: (message, _body, reply) => {
      replies.push(() => reply(message))
      if (replies.length === 3) for (const answer of replies.reverse()) answer()
    },
  })
  const { channel, open } = client(t, { port: listener.port })
  await open()
  const answers = await Promise.all(['a', 'b', 'c'].map((text) => channel.request({ text }, { deadlineMs: 5_000 })))
  t.same(
    answers.map((answer) => answer.kind === 'reply' && answer.message.text),
    ['a', 'b', 'c'],
  )
})

t.test('a request that is not answered ends with its deadline', async (t) => {
  const { listener } = await listen(t, { message: () => undefined })
  const { channel, open } = client(t, { port: listener.port })
  await open()
  t.same(await channel.request({ text: 'hello' }, { deadlineMs: 50 }), { kind: 'timeout' })
})

t.test('either side may speak first', async (t) => {
  const { listener, opened } = await listen(t)
  const heard: string[] = []
  const told = Promise.withResolvers<undefined>()
  const { open } = client(t, {
    port: listener.port,
    message: ({ text }) => {
      heard.push(text)
      told.resolve(undefined)
    },
  })
  await open()
  const channel = await opened
  t.equal(channel.peer, 'guard')
  t.equal(channel.send({ text: 'news' }), true)
  await told.promise
  t.same(heard, ['news'])
})

t.test('a channel that goes down fails what is pending, and comes back by itself', async (t) => {
  const { listener, opened, closed } = await listen(t, { message: () => undefined })
  const guard = client(t, { port: listener.port })
  await guard.open()
  const pending = guard.channel.request({ text: 'hello' }, { deadlineMs: 10_000 })
  ;(await opened).close()
  t.same(await pending, { kind: 'closed' })
  await guard.open()
  t.equal(guard.channel.isOpen, true)
  t.equal(closed(), 1)
})

t.test('a closed client answers closed, stays down, and may be closed again', async (t) => {
  const { listener } = await listen(t)
  const { channel, open } = client(t, { port: listener.port })
  await open()
  channel.close()
  channel.close()
  t.same(await channel.request({ text: 'hello' }, { deadlineMs: 1_000 }), { kind: 'closed' })
  t.equal(channel.send({ text: 'hello' }), false)
})

t.test('a certificate of the wrong role is refused, and told in the log', async (t) => {
  const { listener, lines, refused, came } = await listen(t)
  const desk = client(t, { port: listener.port, role: 'desk' })
  await desk.open()
  await desk.closed()
  t.equal(refused[0], 'wrong_role', 'and counted')
  t.match(JSON.parse(lines[0] ?? '{}'), { code: 'wrong_role', peerRole: 'desk' })
  t.same(came, [])
})

t.test('no certificate is refused by TLS', async (t) => {
  const { listener, lines } = await listen(t)
  const { authority } = sharedIdentity('guard')
  const socket = connect({ host, port: listener.port, ca: authority, servername: roleName('vault') })
  await gone(socket)
  t.match(JSON.parse(lines[0] ?? '{}'), { code: 'tls_refused' })
})

t.test('an older TLS is refused', async (t) => {
  const { listener } = await listen(t)
  const { authority, certificate, key } = sharedIdentity('guard')
  const options = { host, port: listener.port, ca: authority, cert: certificate, key, servername: roleName('vault') }
  const socket = connect({ ...options, maxVersion: 'TLSv1.2' })
  const [error] = (await once(socket, 'error')) as [Error & { readonly code?: string }]
  t.match(error.code, /PROTOCOL_VERSION/)
})

t.test('a server of another role is not believed', async (t) => {
  const { listener, came } = await listen(t)
  const { channel } = client(t, { port: listener.port, peer: 'sbc' })
  t.same(await channel.request({ text: 'hello' }, { deadlineMs: 300 }), { kind: 'closed' })
  t.equal(channel.isOpen, false)
  t.same(came, [])
})

t.test(
  'a message that does not parse, or no frame at all, ends the channel, is counted, and floods no log',
  async (t) => {
    const { listener, lines, refused, came } = await listen(t)
    const { authority, certificate, key } = sharedIdentity('guard')
    for (const bytes of [
      encodeFrame({ m: { number: 7 } }),
      encodeFrame('text'),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    ]) {
      const socket = connect({
        host,
        port: listener.port,
        ca: authority,
        cert: certificate,
        key,
        servername: roleName('vault'),
      })
      socket.on('error', () => undefined)
      socket.resume()
      await once(socket, 'secureConnect')
      socket.write(bytes)
      await gone(socket)
    }
    t.same(refused, ['malformed', 'malformed', 'malformed'])
    t.ok(lines.length < refused.length)
    t.same(came, [])
  },
)

t.test('a peer that is silent is given up', async (t) => {
  const { listener, closed } = await listen(t)
  const { authority, certificate, key } = sharedIdentity('guard')
  const socket = connect({
    host,
    port: listener.port,
    ca: authority,
    cert: certificate,
    key,
    servername: roleName('vault'),
  })
  socket.on('error', () => undefined)
  socket.resume()
  t.teardown(() => socket.destroy())
  await gone(socket)
  t.equal(closed(), 1)
})

t.test('a client finds a server that starts after it', async (t) => {
  const first = await listen(t)
  const { port } = first.listener
  await first.listener.close()
  const guard = client(t, { port })
  t.same(await guard.channel.request({ text: 'hello' }, { deadlineMs: 100 }), { kind: 'closed' })
  await listen(t, { port })
  await guard.open()
  t.match(await guard.channel.request({ text: 'hello' }, { deadlineMs: 5_000 }), { kind: 'reply' })
})

t.test('a port that is taken is the system’s error', async (t) => {
  const { listener } = await listen(t)
  await t.rejects(listen(t, { port: listener.port }), { code: 'EADDRINUSE' })
})
