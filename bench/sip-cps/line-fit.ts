/** A straight line through points by least squares, with the 95 % interval of its slope. */
export type LineFit = {
  readonly slope: number
  readonly low95: number
  readonly high95: number
  readonly intercept: number
}

/** Two-sided 97.5 % points of Student's t for 1 to 10 degrees of freedom, and 2 for more. */
const T_975 = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23]
const T_MANY = 2

/** At least three points with different x. */
export function fitLine(points: readonly { readonly x: number; readonly y: number }[]): LineFit {
  const count = points.length
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / count
  const meanX = mean(points.map(({ x }) => x))
  const meanY = mean(points.map(({ y }) => y))
  const sumXX = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0)
  if (count < 3 || sumXX === 0) throw new Error('a line needs three points with different x')
  const slope = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / sumXX
  const intercept = meanY - slope * meanX
  const residual = points.reduce((sum, { x, y }) => sum + (y - intercept - slope * x) ** 2, 0)
  const error = Math.sqrt(residual / (count - 2) / sumXX)
  const reach = (T_975[count - 3] ?? T_MANY) * error
  return { slope, low95: slope - reach, high95: slope + reach, intercept }
}
