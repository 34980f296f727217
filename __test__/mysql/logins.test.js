'use strict'

const { violations } = require('../helpers/invariants')
const { describeWithMariadb, describeWithMysqlItself, ownServer } = require('../helpers/mariadb')
const { connection } = require('../helpers/network')

const SECRET = 'Tr0ub4dor'

describeWithMariadb('a user', () => {
  const server = ownServer({}, ({ admin }) => admin("INSTALL SONAME 'auth_ed25519'"))

  /** A database, and its URL for this user. */
  async function withAccount(account, user, password) {
    const database = await server.database()
    await database.user('u', 100)
    await server.admin(`CREATE OR REPLACE USER ${account}`)
    await server.admin(`GRANT ALL ON ${database.store.name}.* TO '${user.replaceAll("'", "''")}'@'%'`)
    const url = new URL(database.url)
    url.username = encodeURIComponent(user)
    url.password = encodeURIComponent(password)
    return { database, url: url.href }
  }

  test.each([
    ['mysql_native_password', SECRET],
    ['ed25519', SECRET],
    ['mysql_native_password', "p@ss:w/o?r#d %'\\é🎬"],
    ['ed25519', "p@ss:w/o?r#d %'\\é🎬"],
    ['ed25519', 'x'.repeat(200)],
  ])('logs in by %s with %p, twice', async (plugin, password) => {
    const word = password.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
    const account = `'app one'@'%' IDENTIFIED VIA ${plugin} USING PASSWORD('${word}')`
    const { database, url } = await withAccount(account, 'app one', password)
    for (const credits of [connection(url), connection(url, { maxConnections: 3 })]) {
      await credits.consumeCredits({ userId: 'u', credits: 5 })
      await credits.close()
    }
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
    expect(await violations(database)).toEqual([])
  })

  test('can log in without a password', async () => {
    const { url } = await withAccount("open@'%' IDENTIFIED BY ''", 'open', '')
    expect(await connection(url).getRemainingCredits('u')).toBe(100)
  })

  test.each([
    ['mysql_native_password', 'wrong'],
    ['ed25519', 'wrong'],
    ['ed25519', ''],
  ])('with a wrong password is refused at once, by %s: %p', async (plugin, wrong) => {
    const account = `app@'%' IDENTIFIED VIA ${plugin} USING PASSWORD('${SECRET}')`
    const { database, url } = await withAccount(`locked${account.slice(3)}`, 'locked', wrong)
    const error = await connection(url)
      .getRemainingCredits('u')
      .catch((error) => error)
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: false })
    expect(error.message).toMatch(/denied|password/i)
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
  })

  test('without access to the database, or with one that does not exist, is refused with the cause', async () => {
    const { url } = await withAccount(`narrow@'%' IDENTIFIED BY '${SECRET}'`, 'narrow', SECRET)
    const other = await server.database()
    for (const name of [other.store.name, 'nowhere']) {
      const changed = new URL(url)
      changed.pathname = `/${name}`
      const error = await connection(changed.href)
        .getRemainingCredits('u')
        .catch((error) => error)
      expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: false })
      expect(error.message).not.toContain(SECRET)
    }
  })

  test('with read access only is refused writes, with the missing privilege', async () => {
    const { database, url } = await withAccount(`reader@'%' IDENTIFIED BY '${SECRET}'`, 'reader', SECRET)
    await server.admin(`REVOKE ALL ON ${database.store.name}.* FROM reader@'%'`)
    await server.admin(`GRANT SELECT ON ${database.store.name}.* TO reader@'%'`)
    const credits = connection(url)
    expect(await credits.getRemainingCredits('u')).toBe(100)
    const error = await credits.consumeCredits({ userId: 'u', credits: 1 }).catch((error) => error)
    expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '1142', retryable: false })
    expect(error.message).toMatch(/denied/)
    expect(await violations(database)).toEqual([])
  })
})

describeWithMysqlItself('a user of MySQL', () => {
  const server = ownServer()
  const NAME = "app o'ne"

  async function withAccount(password) {
    const database = await server.database()
    await database.user('u', 100)
    const word = password.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
    await server.admin(`DROP USER IF EXISTS "${NAME}"@'%'`)
    await server.admin(`CREATE USER "${NAME}"@'%' IDENTIFIED WITH caching_sha2_password BY '${word}'`)
    await server.admin(`GRANT ALL ON ${database.store.name}.* TO "${NAME}"@'%'`)
    const urlWith = (written) => {
      const url = new URL(database.url)
      url.username = encodeURIComponent(NAME)
      url.password = encodeURIComponent(written)
      return url.href
    }
    return { database, urlWith }
  }

  test.each([SECRET, "p@ss:w/o?r#d %'\\é🎬", 'x'.repeat(200)])(
    "logs in with %p, by the server's public key and then by what it remembers",
    async (password) => {
      const { database, urlWith } = await withAccount(password)
      for (const credits of [connection(urlWith(password)), connection(urlWith(password))]) {
        await credits.consumeCredits({ userId: 'u', credits: 5 })
        expect((await credits.getDiagnostics()).encrypted).toBe(false)
        await credits.close()
      }
      expect(await database.credits.getRemainingCredits('u')).toBe(90)
      expect(await violations(database)).toEqual([])
    },
  )

  test.each(['wrong', ''])('with the password %p is refused at once', async (wrong) => {
    const { urlWith } = await withAccount(SECRET)
    const error = await connection(urlWith(wrong))
      .getRemainingCredits('u')
      .catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: false })
    expect(error.message).toMatch(/denied|password/i)
  })
})
