// @ts-check
// The bank with Postern in it, and nothing else, on a data folder of one's choice: a process that a test may kill.
import { createServer } from 'node:http'
import { createBank } from '../../bank.js'
import { mountPostern } from '../../postern.js'

const settings = JSON.parse(String(process.argv[2]))
const bank = createBank()
await mountPostern(bank, settings)
createServer(bank).listen(Number(new URL(settings.origin).port), '127.0.0.1', () => console.log('ready'))
