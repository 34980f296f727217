'use strict'

const { findDatabase, placeOf, withoutSecrets } = require('../../../cli/database')

describe('the command line prints the place of a database without its password:', () => {
  test.each([
    ['postgres://app:secret@db.example.com/app?sslmode=require', 'postgres://db.example.com/app'],
    ['postgresql://app:secret@[::1]:5432/app', 'postgres://[::1]:5432/app'],
    ['postgres://localhost/app?user=app&password=secret', 'postgres://localhost/app'],
    ['postgres://app:a@secret@host/app', 'postgres://…'],
    ['postgres://app:1?secret@host/app', 'postgres://…'],
    ['postgres://app:1/secret@host/app', 'postgres://…'],
    ['postgres://app:1#secret@host/app', 'postgres://…'],
    ['host=h user=app password=secret', 'a database, …'],
    ['postgres:app:secret@host/app', 'a database, …'],
    ['mysql://app:secret@host/app?ssl-mode=REQUIRED', 'mysql://host/app'],
    ['mysql2://app:secret@[::1]:3306/app', 'mysql://[::1]:3306/app'],
    ['mariadb://app:secret@host:3306/app', 'mariadb://host:3306/app'],
    ['mysql://app:a@secret@host/app', 'mysql://…'],
    ['mysql2://app:1#secret@host/app', 'mysql2://…'],
    ['sqlserver://app:secret@host/app', 'sqlserver://…'],
    ['libsql://db-name.turso.io?authToken=secret', 'libsql://db-name.turso.io'],
    ['http://127.0.0.1:8080/dev/name?authToken=secret', 'http://127.0.0.1:8080/dev/name'],
    ['wss://[::1]:8080', 'wss://[::1]:8080'],
    ['libsql://app:secret@host', 'libsql://…'],
    ['libsql://secret@host', 'libsql://…'],
    ['libsql://host#secret', 'libsql://…'],
    ['file:data/local.db', 'data/local.db'],
    ['file:///srv/local.db?mode=ro', '/srv/local.db'],
    ['data/local.db', 'data/local.db'],
    ['C:\\data\\local.db', 'C:\\data\\local.db'],
    [':memory:', ':memory:'],
  ])('%s', (url, place) => expect(placeOf(url)).toBe(place))

  test('text that may contain a password is not repeated', () => {
    const words = [
      'doctor',
      'postgres://a:secret@h/d',
      '--ulr=x:secret',
      '--limit',
      'many',
      '--from=2026-11-01T18:00Z',
    ]
    const text = `unknown ${words.join(' ')}`
    expect(withoutSecrets(text, words)).toBe('unknown doctor … --ulr=… --limit many --from=2026-11-01T18:00Z')
  })

  test('a database of the command line changes no environment variable', () => {
    const env = { ...process.env }
    const url = 'file:b.db'
    expect(findDatabase({ url })).toMatchObject({ options: { url }, source: 'the command line' })
    expect({ ...process.env }).toEqual(env)
  })
})
