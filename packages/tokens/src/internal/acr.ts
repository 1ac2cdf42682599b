/** Whether a level is enough: one of those asked for, or at least as strong as one of them where the order is known. */
export function satisfies(acr: string | null, asked: readonly string[], order: readonly string[]): boolean {
  if (asked.length === 0) return true
  if (acr === null) return false
  if (asked.includes(acr)) return true
  const reached = order.indexOf(acr)
  return reached >= 0 && asked.some((level) => order.includes(level) && order.indexOf(level) <= reached)
}
