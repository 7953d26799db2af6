export type Fault = { readonly file: string; readonly code: 'changed' | 'missing' | 'added' | 'signature' | 'format' }
export type FolderVerdict =
  | { readonly kind: 'intact'; readonly at: string; readonly keyId: string; readonly files: number }
  | { readonly kind: 'broken'; readonly faults: readonly Fault[] }

export declare const LIST: 'SHA256SUMS'
export declare const SIGNATURE: 'SHA256SUMS.sig'
export declare const FORMAT: 'tonewall-evidence-1'
export declare const EXIT: { readonly signed: 0; readonly broken: 1; readonly usage: 2; readonly own: 3 }
export declare function keyId(key: string): string
export declare function verifyFolder(options: {
  readonly folder: string
  readonly keys: readonly string[]
}): FolderVerdict
export declare function main(
  given: readonly string[],
  say: (line: string) => void,
  complain: (line: string) => void,
): number
