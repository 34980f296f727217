'use strict'

/** How a MariaDB and a MySQL of `mariadb.js` are created, set and given accounts. */

const fs = require('node:fs')
const path = require('node:path')

const SETTINGS = {
  'bind-address': '127.0.0.1',
  'skip-name-resolve': true,
  'max-connections': 300,
  // Far from UTC, to detect code that ignores time zones.
  'default-time-zone': '+08:00',
  'character-set-server': 'utf8mb4',
  'innodb-buffer-pool-size': '128M',
  'innodb-buffer-pool-load-at-startup': 'OFF',
  'performance-schema': 'OFF',
}
/** A server that runs for a minute and need not survive a power failure. */
const SHORT_LIVED = {
  'innodb-flush-log-at-trx-commit': 0,
  'innodb-flush-method': 'nosync',
  'innodb-doublewrite': 'OFF',
  'innodb-stats-persistent': 'OFF',
}
/** A server with durable commits. */
const DURABLE = { 'innodb-flush-log-at-trx-commit': 1, 'innodb-buffer-pool-size': '512M' }

/** A small database, which is copied for each start. */
const SMALL_MARIADB = {
  'innodb-data-file-path': 'ibdata1:4M:autoextend',
  'innodb-autoextend-increment': 2,
  'innodb-temp-data-file-path': 'ibtmp1:1M:autoextend',
  'innodb-buffer-pool-dump-at-shutdown': 'OFF',
}

const mariadb = {
  settings: { ...SMALL_MARIADB, ...SETTINGS },
  shortLived: { ...SHORT_LIVED, 'innodb-log-file-size': '32M' },
  durable: { ...DURABLE, 'innodb-log-file-size': '256M' },
  places: ({ base }) => ({ basedir: base }),
  creation({ share }) {
    const files = ['mysql_system_tables', 'mysql_performance_tables', 'mysql_system_tables_data']
    const texts = files.map((name) => fs.readFileSync(path.join(share, `${name}.sql`), 'utf8'))
    const settings = { ...SMALL_MARIADB, 'innodb-log-file-size': '8M', bootstrap: true }
    return { settings, input: ['CREATE DATABASE mysql;\nUSE mysql;\n', ...texts].join('\n') }
  },
  accountsOf: (password, adminPassword) => accountsOf('CREATE OR REPLACE USER', password, adminPassword),
}

const SMALL_MYSQL = {
  'innodb-buffer-pool-dump-at-shutdown': 'OFF',
  'innodb-redo-log-capacity': '8M',
  mysqlx: 'OFF',
  // Certificates for TLS, which would hide the packets from the tests' proxy.
  'auto-generate-certs': 'OFF',
  'secure-file-priv': 'NULL',
}

const mysql = {
  settings: { ...SMALL_MYSQL, ...SETTINGS, 'skip-log-bin': true },
  shortLived: {
    ...SHORT_LIVED,
    // 0 would lose commits when the server is killed.
    'innodb-flush-log-at-trx-commit': 2,
    'innodb-redo-log-capacity': '64M',
  },
  durable: { ...DURABLE, 'innodb-redo-log-capacity': '512M' },
  places: ({ base, share }) => ({
    basedir: base,
    'lc-messages-dir': share,
    'character-sets-dir': path.join(share, 'charsets'),
  }),
  creation: () => ({ settings: { ...SMALL_MYSQL, 'initialize-insecure': true } }),
  accountsOf: (password, adminPassword) => accountsOf('CREATE USER', password, adminPassword),
}

const accountsOf = (create, password, adminPassword) => `
${create} app@'%' IDENTIFIED BY '${password}';
GRANT ALL ON \`%\`.* TO app@'%';
${create} admin@'%' IDENTIFIED BY '${adminPassword}';
GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION;
`

module.exports = { KINDS: { mariadb, mysql } }
