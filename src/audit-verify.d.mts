/** A place in the chain: the hash in hex. */
export type FileHead = { readonly sequence: number; readonly hash: string }

export type FileVerdict =
  | {
      readonly kind: 'intact'
      readonly from: FileHead
      readonly head: FileHead
      readonly signedTo: number | null
      /** A record says that all up to `from` was removed when its time was over. */
      readonly removed: boolean
    }
  | {
      readonly kind: 'broken'
      readonly file: string
      readonly line: number
      readonly sequence: number
      readonly code: 'missing' | 'changed' | 'cut' | 'signature' | 'format' | 'unreadable'
    }

export const EXIT: {
  readonly signed: number
  readonly broken: number
  readonly usage: number
  readonly unsigned: number
}

export function verifyFiles(options: {
  readonly files: readonly string[]
  readonly keys?: readonly string[]
  readonly heads?: readonly FileHead[]
  readonly live?: boolean
  readonly whole?: boolean
}): Promise<FileVerdict>

export function main(
  given: readonly string[],
  say: (line: string) => void,
  complain: (line: string) => void,
): Promise<number>
