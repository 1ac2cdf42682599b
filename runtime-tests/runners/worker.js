// @ts-check
// For workerd: a Worker whose answer is the result.
import { runSuite } from '../suite.js'

export default {
  async fetch() {
    return Response.json(await runSuite('workerd'))
  },
}
