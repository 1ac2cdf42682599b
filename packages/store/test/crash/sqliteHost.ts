/// <reference types="node" />
/** A process that commits to the SQLite file it is given, until it is killed. */
import { sqliteStore } from '@postern/store/sqlite'
import { serveStore } from '@postern/testkit/crash'
import Database from 'libsql'

const [file = '', synchronous = 'FULL'] = process.argv.slice(2)
serveStore(sqliteStore(new Database(file), { synchronous: synchronous === 'NORMAL' ? 'NORMAL' : 'FULL' }))
