/// <reference types="node" />
/** A process that commits to the PostgreSQL it is given, until it is killed. */
import { fromPg, postgresStore } from '@postern/store/postgres'
import { serveStore } from '@postern/testkit/crash'
import pg from 'pg'

const [connectionString = ''] = process.argv.slice(2)
serveStore(await postgresStore({ port: fromPg(new pg.Pool({ connectionString })), topology: 'single' }))
