/**
 * What a promise gives within so many milliseconds, else `late`. It rejects as the promise does; when that comes too late,
 * nobody hears of it.
 */
export async function within<Value, Late>(value: Promise<Value>, ms: number, late: Late): Promise<Value | Late> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<Late>((resolve) => (timer = setTimeout(resolve, ms, late)))
  try {
    return await Promise.race([value, tooLate])
  } finally {
    clearTimeout(timer)
  }
}
