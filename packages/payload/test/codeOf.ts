import { PosternError } from '@postern/core/errors'

/** The code that a call fails with; `null` when it does not; anything but a coded error is thrown on. */
export async function codeOf(call: () => unknown): Promise<string | null> {
  try {
    await call()
    return null
  } catch (error) {
    if (error instanceof PosternError) return error.code
    throw error
  }
}
