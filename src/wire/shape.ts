/**
 * Small shapes that check what comes over a channel and give it a type. Every text has a pattern and every number a
 * range, so that a reviewer can see from the shape what a field can hold at most.
 */
export type Shape<Value> = (value: unknown) => value is Value
export type Shaped<S> = S extends Shape<infer Value> ? Value : never

export function literal<const Text extends string>(...texts: readonly Text[]): Shape<Text> {
  const known: ReadonlySet<string> = new Set(texts)
  return (value): value is Text => typeof value === 'string' && known.has(value)
}

/** A text that matches the whole pattern. */
export function text(pattern: RegExp): Shape<string> {
  return (value): value is string => typeof value === 'string' && pattern.test(value)
}

/** A whole number in a range; ten digits at most, so that no number can be a card number. */
export function integer(min: number, max: number): Shape<number> {
  return (value): value is number => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
}

/** Milliseconds since 1970, which take thirteen digits: kept within this century's range and never from the CDE. */
export const epochMs: Shape<number> = (value): value is number =>
  Number.isSafeInteger(value) && (value as number) > 1_600_000_000_000 && (value as number) < 4_000_000_000_000

export const truth: Shape<boolean> = (value): value is boolean => typeof value === 'boolean'

export function nullable<Value>(shape: Shape<Value>): Shape<Value | null> {
  return (value): value is Value | null => value === null || shape(value)
}

export function list<Value>(shape: Shape<Value>, lengthMax: number): Shape<readonly Value[]> {
  return (value): value is readonly Value[] =>
    Array.isArray(value) && value.length <= lengthMax && value.every((item) => shape(item))
}

/** Exactly these fields: a missing or an additional one is refused. */
export function record<const Fields extends Readonly<Record<string, Shape<unknown>>>>(
  fields: Fields,
): Shape<{ readonly [Name in keyof Fields]: Shaped<Fields[Name]> }> {
  const entries = Object.entries(fields)
  return (value): value is { readonly [Name in keyof Fields]: Shaped<Fields[Name]> } => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    const given = value as Readonly<Record<string, unknown>>
    return (
      Object.keys(given).length === entries.length &&
      entries.every(([name, shape]) => Object.hasOwn(given, name) && shape(given[name]))
    )
  }
}

export function either<const Shapes extends readonly Shape<unknown>[]>(
  ...shapes: Shapes
): Shape<Shaped<Shapes[number]>> {
  return (value): value is Shaped<Shapes[number]> => shapes.some((shape) => shape(value))
}

/** The `parse` of a channel: the value itself when it has the shape, else null. */
export function parser<Value>(shape: Shape<Value>): (value: unknown) => Value | null {
  return (value) => (shape(value) ? value : null)
}
