'use strict'

/** An app's own triggers, which each storage writes in its own language. */

const { byStorage } = require('./storage')

const sqliteTrigger = (table, condition, action) => [
  `CREATE TRIGGER on_insert BEFORE INSERT ON ${table} WHEN ${condition} BEGIN SELECT ${action}; END`,
]

const postgresTrigger = (table, condition, action) => [
  `CREATE FUNCTION on_insert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${action}; END $$`,
  `CREATE TRIGGER on_insert BEFORE INSERT ON ${table} FOR EACH ROW WHEN (${condition})
   EXECUTE FUNCTION on_insert()`,
]

const mysqlTrigger = (table, condition, action) => [
  `CREATE TRIGGER on_insert BEFORE INSERT ON ${table} FOR EACH ROW BEGIN IF ${condition} THEN ${action}; END IF; END`,
]

const trigger = byStorage({ sqlite: sqliteTrigger, postgres: postgresTrigger, mysql: mysqlTrigger })

/** The ways in which a trigger can refuse a row. */
const REFUSALS = byStorage({
  sqlite: ['ABORT', 'FAIL', 'ROLLBACK'],
  postgres: ['EXCEPTION'],
  mysql: ['SIGNAL'],
})

/** A table refuses a row such as `NEW.title = 'bad'` with this message, in one of the ways of `REFUSALS`. */
async function refuseRows(database, { table, condition, message, refusal = REFUSALS[0] }) {
  const action = byStorage({
    sqlite: `RAISE(${refusal}, '${message}')`,
    postgres: `RAISE ${refusal} '${message}'`,
    mysql: `${refusal} SQLSTATE '45000' SET MESSAGE_TEXT = '${message}'`,
  })
  await database.run(...trigger(table, condition, action))
}

/** A table drops such a row silently. MySQL's triggers can't. */
async function dropRows(database, table, condition) {
  const action = byStorage({ sqlite: 'RAISE(IGNORE)', postgres: 'RETURN NULL' })
  await database.run(...trigger(table, condition, action))
}

module.exports = { REFUSALS, dropRows, refuseRows }
