import { readFileSync, statSync } from 'node:fs'
import { Ajv2020, type AnySchemaObject, type ErrorObject } from 'ajv/dist/2020.js'
import { isMap, isScalar, LineCounter, parseDocument, type Document } from 'yaml'

/** A configuration of a large site stays well below this; what is larger was not written by a person. */
const FILE_BYTES_MAX = 262_144
/** Anchors may be used for a block that repeats; more is an attempt to make the parser grow without end. */
const ALIASES_MAX = 64
/** More than a screen of problems helps nobody. */
const PROBLEMS_MAX = 50

/** The way from the root of the file to a value: names of keys and numbers of list items. */
export type KeyPath = readonly (string | number)[]

/** One thing that is wrong, for a person with an editor. Lines and columns count from 1; 0 is the file as a whole. */
export type ConfigurationProblem = {
  readonly line: number
  readonly column: number
  /** Such as `trunks[0].target.port`. */
  readonly key: string
  readonly problem: string
  readonly cure: string
}

export type ConfigurationFile =
  | { readonly kind: 'read'; readonly value: unknown; readonly problemAt: ProblemAt }
  | { readonly kind: 'refused'; readonly problems: readonly ConfigurationProblem[] }

/** Makes a problem that points at a key of the file that was read, or at the nearest key above it. */
export type ProblemAt = (
  path: KeyPath,
  text: { readonly problem: string; readonly cure: string },
) => ConfigurationProblem

/**
 * Reads a YAML 1.2 file and checks it against a JSON Schema (2020-12). It knows nothing of what the keys mean. `early`
 * looks at the value before the schema does, for what deserves better words than a schema has. A schema node may carry
 * `x-cure`, the sentence for a person when the node does not fit. No problem quotes a value of the file.
 */
export function readConfigurationFile(options: {
  readonly file: string
  readonly schema: AnySchemaObject
  readonly early?: (value: unknown, problemAt: ProblemAt) => readonly ConfigurationProblem[]
}): ConfigurationFile {
  const source = readSource(options.file)
  if (source.kind === 'refused') return source
  const lines = new LineCounter()
  const document = parseDocument(source.text, {
    lineCounter: lines,
    uniqueKeys: true,
    version: '1.2',
    logLevel: 'error',
  })
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) {
    return refused(
      faults.slice(0, PROBLEMS_MAX).map((fault) => {
        const at = lines.linePos(fault.pos[0])
        return { line: at.line, column: at.col, key: '(YAML)', problem: yamlProblem(fault.code), cure: YAML_CURE }
      }),
    )
  }
  const problemAt: ProblemAt = (path, text) => ({ ...position(document, lines, path), key: keyText(path), ...text })
  const value = plainValue(document)
  if (value === null) {
    return refused([
      problemAt([], { problem: 'has too many aliases', cure: 'write the values out instead of repeating anchors' }),
    ])
  }
  const early = options.early?.(value.value, problemAt) ?? []
  if (early.length > 0) return refused(early)
  const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true, verbose: true })
  ajv.addVocabulary(['x-cure'])
  const validate = ajv.compile(options.schema)
  if (validate(value.value)) return { kind: 'read', value: value.value, problemAt }
  return refused(
    (validate.errors ?? [])
      .filter((error) => error.keyword !== 'if')
      .slice(0, PROBLEMS_MAX)
      .map((error) => schemaProblem(error, value.value, problemAt)),
  )
}

/** `FILE:line:column key: problem; cure`, as editors and people can follow it. */
export function problemLine(file: string, problem: ConfigurationProblem): string {
  return `${file}:${problem.line}:${problem.column} ${problem.key}: ${problem.problem}; ${problem.cure}`
}

const YAML_CURE = 'correct the YAML at this place: indentation by spaces, one value a key'

function refused(problems: readonly ConfigurationProblem[]): ConfigurationFile & { readonly kind: 'refused' } {
  return { kind: 'refused', problems }
}

function readSource(
  file: string,
): { readonly kind: 'source'; readonly text: string } | (ConfigurationFile & { readonly kind: 'refused' }) {
  const whole = (problem: string, cure: string) => refused([{ line: 0, column: 0, key: '(file)', problem, cure }])
  try {
    if (statSync(file).size > FILE_BYTES_MAX) {
      return whole('is too large', `keep the configuration below ${FILE_BYTES_MAX} bytes`)
    }
    return { kind: 'source', text: new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file)) }
  } catch (error) {
    if (error instanceof TypeError) return whole('is not a text in UTF-8', 'save it as UTF-8')
    return whole('cannot be read', 'name a file that exists and that this user may read, with --config FILE')
  }
}

/** The parser's own messages can quote the source, which can hold a secret put there by mistake: so its codes only. */
function yamlProblem(code: string): string {
  switch (code) {
    case 'DUPLICATE_KEY':
      return 'a key is given twice'
    case 'TAB_AS_INDENT':
      return 'a tab is used for indentation'
    case 'BAD_INDENT':
      return 'the indentation does not fit'
    case 'MULTIPLE_DOCS':
      return 'there is more than one document'
    case 'TAG_RESOLVE_FAILED':
      return 'a tag is used, and none is known here'
    default:
      return 'cannot be read as YAML'
  }
}

/** Wrapped, since null is a value too. An alias bomb makes the parser throw. */
function plainValue(document: Document): { readonly value: unknown } | null {
  try {
    return { value: document.toJS({ maxAliasCount: ALIASES_MAX }) as unknown }
  } catch (error) {
    if (error instanceof ReferenceError) return null
    throw error
  }
}

function position(
  document: Document,
  lines: LineCounter,
  path: KeyPath,
): { readonly line: number; readonly column: number } {
  for (let length = path.length; length >= 0; length -= 1) {
    const offset = offsetOf(document, path.slice(0, length))
    if (offset === undefined) continue
    const at = lines.linePos(offset)
    return { line: at.line, column: at.col }
  }
  return { line: 1, column: 1 }
}

/** Where the key of a map entry stands, or the item of a list. */
function offsetOf(document: Document, path: KeyPath): number | undefined {
  const last = path.at(-1)
  const parent: unknown = path.length < 2 ? document.contents : document.getIn(path.slice(0, -1), true)
  if (last !== undefined && isMap(parent)) {
    const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === last)
    return isScalar(pair?.key) ? pair.key.range?.[0] : undefined
  }
  const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true)
  return (node as { readonly range?: readonly number[] | null } | null | undefined)?.range?.[0]
}

function keyText(path: KeyPath): string {
  if (path.length === 0) return '(file)'
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? part : `${text}.${part}`
  }, '')
}

function schemaProblem(error: ErrorObject, value: unknown, problemAt: ProblemAt): ConfigurationProblem {
  const path = pathOf(error.instancePath, value)
  const own = (error.parentSchema as { readonly 'x-cure'?: string } | undefined)?.['x-cure']
  const cure = (usual: string): string => own ?? usual
  const params = error.params as Readonly<Record<string, unknown>>
  switch (error.keyword) {
    case 'required':
      return problemAt([...path, String(params['missingProperty'])], { problem: 'is missing', cure: 'add this key' })
    case 'additionalProperties':
      return problemAt([...path, String(params['additionalProperty'])], {
        problem: 'is not a known key',
        cure: `known here: ${knownKeys(error.parentSchema)}`,
      })
    case 'enum':
    case 'const':
      return problemAt(path, {
        problem: 'has a value that is not known',
        cure: cure(`use one of: ${String(params['allowedValues'] ?? params['allowedValue'])}`),
      })
    case 'type':
      return problemAt(path, {
        problem: 'is of the wrong kind',
        cure: cure(`write a value of kind ${String(params['type'])}`),
      })
    case 'minimum':
    case 'maximum':
      return problemAt(path, {
        problem: error.keyword === 'minimum' ? 'is too small' : 'is too large',
        cure: cure(`use a number ${String(params['comparison'])} ${String(params['limit'])}`),
      })
    default:
      return problemAt(path, { problem: 'does not fit', cure: cure(`it ${error.message ?? 'has to fit the schema'}`) })
  }
}

function knownKeys(schema: unknown): string {
  const properties = (schema as { readonly properties?: Readonly<Record<string, unknown>> } | undefined)?.properties
  return Object.keys(properties ?? {}).join(', ')
}

/** A JSON pointer (RFC 6901) as a path; a part is a number where the value has a list. */
function pathOf(pointer: string, value: unknown): KeyPath {
  let here = value
  return pointer
    .split('/')
    .slice(1)
    .map((part) => {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
      const key = Array.isArray(here) ? Number(name) : name
      here = (here as Readonly<Record<string | number, unknown>>)[key]
      return key
    })
}
