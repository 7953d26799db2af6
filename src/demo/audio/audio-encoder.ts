import { CODEC_NAMES, type CodecName } from '../phone/sdp-text.ts'
import { encodeALaw, encodeMuLaw } from './g711.ts'
import { G722Encoder } from './g722.ts'
import { HalfBand } from './half-band.ts'

/** Rounds after which the engine has compiled the coders. */
const WARM_UP_ROUNDS = 200

/** Encodes the 8 kHz audio of one stream, 20 ms at a time, in whatever codec is agreed at the moment. */
export class AudioEncoder {
  readonly #g722 = new G722Encoder()
  readonly #doubler = new HalfBand()

  encode(audio: Int16Array, codec: CodecName): Uint8Array {
    switch (codec) {
      case 'PCMU':
        return encodeMuLaw(audio)
      case 'PCMA':
        return encodeALaw(audio)
      case 'G722':
        return this.#g722.encode(this.#doubler.double(audio))
    }
  }
}

/** Runs every coder for a moment, so that the first packets of a call are not late by the compiler's work. */
export function warmUpEncoders(): void {
  const encoder = new AudioEncoder()
  const audio = Int16Array.from({ length: 160 }, (_, at) => (at % 16) * 100)
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) {
    for (const codec of CODEC_NAMES) encoder.encode(audio, codec)
  }
}
