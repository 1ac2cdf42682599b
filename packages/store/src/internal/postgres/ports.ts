/** What the three ports have in common. */

/** A notice as the clients hand it on: the severity in the server's language or in English, and an SQLSTATE. */
export interface Notice {
  readonly severity?: string | undefined
  readonly code?: string | undefined
  readonly message?: string | undefined
}

/** The message of a notice that says more than that something was noted; `null` for the others. */
export function warningOf({ severity, code, message }: Notice): string | null {
  if (severity === 'NOTICE' || severity === 'INFO' || severity === 'LOG' || severity?.startsWith('DEBUG')) return null
  // In another language than English: what merely informs has the code of success.
  return severity !== 'WARNING' && code === '00000' ? null : (message ?? 'a warning')
}

/** Sessions that are kept open, at most `max`; who comes when all are in use waits in line. */
export interface SessionPool<S> {
  /** Runs `use` on a session alone; one that `use` threw on is closed. */
  with<T>(use: (session: S) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export function sessionPool<S extends { readonly usable: () => boolean; close(): Promise<void> }>(
  max: number,
  open: () => Promise<S>,
): SessionPool<S> {
  const resting: S[] = []
  const line: (() => void)[] = []
  let inUse = 0
  let closed = false

  const take = async (): Promise<S> => {
    if (inUse >= max) await new Promise<void>((resolve) => line.push(resolve))
    else inUse++
    try {
      for (let session = resting.pop(); session !== undefined; session = resting.pop()) if (session.usable()) return session
      return await open()
    } catch (error) {
      give(null)
      throw error
    }
  }
  const give = (session: S | null): void => {
    if (closed) void session?.close()
    else if (session?.usable()) resting.push(session)
    const next = line.shift()
    if (next === undefined) inUse--
    else next()
  }

  return {
    async with(use) {
      const session = await take()
      let result: Awaited<ReturnType<typeof use>>
      try {
        result = await use(session)
      } catch (error) {
        give(null)
        await session.close()
        throw error
      }
      give(session)
      return result
    },
    async close() {
      closed = true
      await Promise.all(resting.splice(0).map((session) => session.close()))
    },
  }
}
