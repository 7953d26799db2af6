import { createSocket } from 'node:dgram'
import { connect as connectTcp } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { encodeFrame } from '../../src/kit/frame.ts'
import { roleName, type Identity, type Role } from '../../src/kit/identity.ts'

/** 0 to below - 1, from a seeded source. */
export type Random = (below: number) => number

const BURST = 50
const BURST_PAUSE_MS = 15
const CONNECTION_MS_MAX = 2_000

/** Sends datagrams from an address, in bursts that a socket's buffer holds. */
export async function throwDatagrams(options: {
  readonly from: string
  readonly to: { readonly host: string; readonly port: number }
  readonly count: number
  readonly make: (index: number) => Buffer
}): Promise<void> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, options.from, resolve))
  socket.on('error', () => undefined)
  for (let index = 0; index < options.count; index += 1) {
    socket.send(options.make(index), options.to.port, options.to.host)
    if (index % BURST === BURST - 1) await delay(BURST_PAUSE_MS)
  }
  await new Promise<void>((resolve) => socket.close(() => resolve()))
}

/** Writes bytes to a TCP port, and waits until the other side has had enough, or a while. */
export async function throwBytes(to: { readonly host: string; readonly port: number }, bytes: Buffer): Promise<void> {
  const socket = connectTcp(to)
  socket.on('error', () => undefined)
  socket.on('data', () => undefined)
  socket.end(bytes)
  await closed(socket, CONNECTION_MS_MAX)
}

/** Writes bytes over mutual TLS as one role to another; returns whether the other side ended the connection. */
export async function throwFrames(options: {
  readonly to: { readonly host: string; readonly port: number }
  readonly identity: Identity
  readonly peer: Role
  readonly bytes: Buffer
}): Promise<boolean> {
  const { to, identity, peer, bytes } = options
  const socket: TLSSocket = connectTls({
    ...to,
    cert: identity.certificate,
    key: identity.key,
    ca: identity.authority,
    minVersion: 'TLSv1.3',
    servername: roleName(peer),
  })
  socket.on('error', () => undefined)
  socket.on('data', () => undefined)
  socket.once('secureConnect', () => socket.write(bytes))
  return closed(socket, CONNECTION_MS_MAX)
}

function closed(socket: ReturnType<typeof connectTcp>, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      socket.destroy()
      resolve(false)
    }, withinMs)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}

/** A SIP request that is damaged in one of many ways, or whole with a description that is none. */
export function hostileSip(random: Random, index: number): Buffer {
  const method = ['INVITE', 'BYE', 'ACK', 'CANCEL', 'OPTIONS', 'INFO', 'UPDATE', 'DANCE'][random(8)] ?? 'INVITE'
  const sdp =
    [
      '',
      'v=0\r\nm=audio\r\n',
      'v=0\r\no=- 1 1 IN IP4 x\r\ns=-\r\nc=IN IP4 999.1.1.1\r\nt=0 0\r\nm=audio 99999 RTP/AVP 0\r\n',
      `v=0\r\n${'a=x\r\n'.repeat(400)}`,
      'm=audio 0 RTP/AVP 0\r\nm=audio 1 RTP/AVP 0\r\n',
      '\0\0\0\0',
    ][random(6)] ?? ''
  const text = [
    `${method} sip:1800555010${random(10)}@127.0.0.1 SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.2:${1 + random(65_000)};branch=z9hG4bK${index}`,
    `From: <sip:x@127.0.0.2>;tag=${random(5)}`,
    `To: <sip:y@127.0.0.1>${random(2) === 0 ? `;tag=${random(5)}` : ''}`,
    `Call-ID: hostile-${random(50)}`,
    `CSeq: ${random(4)} ${random(10) === 0 ? 'INVITE' : method}`,
    'Contact: <sip:x@127.0.0.2>',
    'Max-Forwards: 70',
    'Content-Type: application/sdp',
    `Content-Length: ${random(8) === 0 ? random(100_000) : Buffer.byteLength(sdp)}`,
    '',
    sdp,
  ].join('\r\n')
  const bytes = Buffer.from(text, 'latin1')
  switch (random(4)) {
    case 0:
      return bytes
    case 1:
      return bytes.subarray(0, random(bytes.length))
    case 2:
      return damaged(bytes, random)
    default:
      return randomBytes(random, random(1_200))
  }
}

/** RTP that is none, or nearly. */
export function hostileRtp(random: Random, index: number): Buffer {
  const bytes = randomBytes(random, random(4) === 0 ? random(20) : 12 + random(300))
  if (bytes.length > 12) {
    bytes[0] = random(3) === 0 ? random(256) : 0x80
    bytes[1] = [0, 8, 101, 101 | 0x80, 13][random(5)] ?? 0
    bytes.writeUInt16BE(index & 0xffff, 2)
  }
  return bytes
}

/** Frames of the channel protocol with headers that no role would send, and bytes that are no frame. */
export function hostileFrame(random: Random): Buffer {
  const headers: readonly unknown[] = [
    null,
    [],
    { id: 1, m: { type: 'window.prepare' } },
    { id: 2, m: { type: 'window.release', windowId: '../../..' } },
    { m: { type: 'window.drain', windowId: 7 } },
    { re: 99, m: { type: 'ok' } },
    { ping: 'x', m: 'y' },
    { id: -1, m: { type: 'tokenize', windowId: 'a'.repeat(70_000) } },
  ]
  if (random(3) === 0) return randomBytes(random, 1 + random(4_000))
  const frame = Buffer.from(encodeFrame(headers[random(headers.length)], randomBytes(random, random(200))))
  return random(2) === 0 ? frame : damaged(frame, random)
}

/** Requests that are not quite HTTP. */
export function hostileHttp(random: Random): Buffer {
  const line =
    [
      'GET /api/v1/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n\r\n',
      'POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Type: application/json\r\n\r\n{"a":',
      'GET /../../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`,
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'GET /api/v1/calls/%ff%fe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      'DELETE /api/v1/calls/aaaaaaaaaaaaaaaaaaaa/window HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      'POST /api/v1/calls HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nzz\r\n',
    ][random(8)] ?? ''
  const bytes = Buffer.from(line, 'latin1')
  return random(3) === 0 ? damaged(bytes, random) : bytes
}

export function randomBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 1) bytes[at] = random(256)
  return bytes
}

function damaged(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes)
  for (let hits = 1 + random(8); hits > 0; hits -= 1) copy[random(copy.length)] = random(256)
  return copy
}
