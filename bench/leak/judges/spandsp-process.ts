import { dlopen, getRawPointer } from 'node:ffi'

/**
 * spandsp's DTMF receiver, called in its own library by Node's foreign functions, in a process of its own: what goes wrong in foreign memory ends
 * this process and nothing else. Standard input: stretches as a 32-bit count of samples and the samples; standard
 * output: for each a byte of length and the digits that were read.
 */
const LIBRARY = 'libspandsp.so.2'

/** Accepts what its makers reject, so that it hears as much as it can: twists of 12 dB, levels down to -55 dBm0. */
const TWIST_DB = 12
const LEVEL_DBM0 = -55

/** After each stretch, so that a key is let go before the next: 60 ms. */
const SILENCE = Buffer.alloc(480 * 2)
const DIGITS_MAX = 128

const { functions } = dlopen(LIBRARY, {
  dtmf_rx_init: { return: 'pointer', arguments: ['pointer', 'pointer', 'pointer'] },
  dtmf_rx_parms: { return: 'void', arguments: ['pointer', 'i32', 'i32', 'i32', 'i32'] },
  dtmf_rx: { return: 'i32', arguments: ['pointer', 'pointer', 'i32'] },
  dtmf_rx_get: { return: 'u64', arguments: ['pointer', 'pointer', 'i32'] },
})

const receiver = functions.dtmf_rx_init(0n, 0n, 0n)
if (receiver === 0n) throw new Error('spandsp gave no receiver')
functions.dtmf_rx_parms(receiver, 0, TWIST_DB, TWIST_DB, LEVEL_DBM0)
const digits = Buffer.alloc(DIGITS_MAX + 1)

function read(samples: Buffer): Buffer {
  // Foreign memory must not move or start at an odd address: a buffer of its own for each call.
  const own = Buffer.alloc(samples.length)
  samples.copy(own)
  functions.dtmf_rx(receiver, getRawPointer(own), own.length / 2)
  functions.dtmf_rx(receiver, getRawPointer(SILENCE), SILENCE.length / 2)
  const count = Number(functions.dtmf_rx_get(receiver, getRawPointer(digits), DIGITS_MAX))
  return Buffer.concat([Buffer.from([count]), digits.subarray(0, count)])
}

let pending = Buffer.alloc(0)
process.stdin.on('data', (chunk: Buffer) => {
  pending = Buffer.concat([pending, chunk])
  let at = 0
  const answers: Buffer[] = []
  while (pending.length - at >= 4) {
    const end = at + 4 + pending.readUInt32LE(at) * 2
    if (end > pending.length) break
    answers.push(read(pending.subarray(at + 4, end)))
    at = end
  }
  pending = pending.subarray(at)
  if (answers.length > 0) process.stdout.write(Buffer.concat(answers))
})
