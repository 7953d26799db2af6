import { readFileSync } from 'node:fs'
import type { HsmAnswer, HsmOrder } from './hsm-protocol.ts'
import { bytes, Pkcs11Failure } from './pkcs11-library.ts'
import { Pkcs11Token } from './pkcs11-token.ts'

const LINE_END = 10

/** Carries out one order after the other; knows nothing of pipes. */
export class Hsm {
  #token: Pkcs11Token | null = null

  /** The body is overwritten before this returns; what comes back belongs to the caller. Never throws. */
  obey(order: HsmOrder, body: Buffer): { readonly answer: HsmAnswer; readonly body: Buffer } {
    try {
      return this.#obey(order, body)
    } catch (error) {
      if (!(error instanceof Pkcs11Failure)) return failed('token_failed', 0)
      return failed(error.code, error.value)
    } finally {
      body.fill(0)
    }
  }

  #obey(order: HsmOrder, body: Buffer): { readonly answer: HsmAnswer; readonly body: Buffer } {
    if ('library' in order) return this.#enter(order)
    if (this.#token === null) return failed('wrong_state', 0)
    const context = body.subarray(0, order.contextBytes)
    const given = bytes(body.length - context.length)
    body.copy(given, 0, context.length)
    const result = order.type === 'wrap' ? this.#token.wrap(given, context) : this.#token.unwrap(given, context)
    given.fill(0)
    return result === null ? answered({ type: 'wrong' }) : { answer: { type: 'done' }, body: result }
  }

  #enter(order: Extract<HsmOrder, { readonly type: 'open' | 'make' }>) {
    const pin = readPin(order.pinFile)
    if (pin === null) return failed('pin_unreadable', 0)
    try {
      const result = order.type === 'open' ? Pkcs11Token.open(order, pin) : Pkcs11Token.make(order, pin)
      if (result.kind === 'refused') return failed(result.code, 0)
      if (result.kind === 'made') return answered({ type: 'made' })
      this.#token = result.token
      return answered({ type: 'opened', isExtractable: result.token.isExtractable })
    } finally {
      pin.fill(0)
    }
  }
}

/** The first line, in memory that stays where it is. Null when the file cannot be read, or is empty. */
function readPin(file: string): Buffer | null {
  let read: Buffer
  try {
    read = readFileSync(file)
  } catch {
    return null
  }
  const end = read.indexOf(LINE_END)
  const line = read.subarray(0, end < 0 ? read.length : end)
  const pin = bytes(line.length)
  pin.set(line)
  read.fill(0)
  return pin.length > 0 ? pin : null
}

function answered(answer: HsmAnswer): { readonly answer: HsmAnswer; readonly body: Buffer } {
  return { answer, body: bytes(0) }
}

function failed(code: Extract<HsmAnswer, { readonly type: 'failed' }>['code'], value: number) {
  return answered({ type: 'failed', code, value })
}
