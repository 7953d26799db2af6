import { isIP } from 'node:net'
import { integer, record, type Shape, type Shaped } from './shape.ts'

/** An IP literal; names are resolved before they get here. */
export const ipShape: Shape<string> = (value): value is string => typeof value === 'string' && isIP(value) !== 0
export const addressShape = record({ host: ipShape, port: integer(1, 65_535) })
export type Address = Shaped<typeof addressShape>
