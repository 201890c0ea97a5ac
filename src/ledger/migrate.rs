//! Brings a ledger file to the newest format: `migrations/NNNN-*.sql`, each once, each in a transaction of its own.

use rusqlite::Connection;

/// Every format change, oldest first; the file's `user_version` counts those that it has seen.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001-facts.sql"),
    include_str!("../../migrations/0002-doors.sql"),
    include_str!("../../migrations/0003-register.sql"),
    include_str!("../../migrations/0004-width.sql"),
    include_str!("../../migrations/0005-charter.sql"),
    include_str!("../../migrations/0006-webhooks.sql"),
    include_str!("../../migrations/0007-certificates.sql"),
    include_str!("../../migrations/0008-tiles.sql"),
    include_str!("../../migrations/0009-eras.sql"),
    include_str!("../../migrations/0010-audits.sql"),
    include_str!("../../migrations/0011-console.sql"),
    include_str!("../../migrations/0012-charter-acts.sql"),
];

/// Marks a file as ours (`PRAGMA application_id`): the letters `cbok`.
pub(super) const APPLICATION_ID: i64 = 0x6362_6f6b;

/// The newest format that this program knows.
pub(super) fn newest() -> i64 {
    MIGRATIONS.len() as i64
}

/// The format of an open file.
pub(super) fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Applies what the file has not seen yet.
pub(super) fn migrate(conn: &Connection) -> rusqlite::Result<()> {
    apply(conn, MIGRATIONS)
}

fn apply(conn: &Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let seen = usize::try_from(version(conn)?).unwrap_or(0);
    for (at, sql) in migrations.iter().enumerate().skip(seen) {
        let step = conn.unchecked_transaction()?;
        step.execute_batch(sql)?;
        step.pragma_update(None, "user_version", at as i64 + 1)?;
        step.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_migration_runs_once_and_keeps_what_is_there() {
        let conn = Connection::open_in_memory().unwrap();
        let first = ["CREATE TABLE a (x INTEGER)"];
        let both = ["CREATE TABLE a (x INTEGER)", "ALTER TABLE a ADD COLUMN y INTEGER DEFAULT 7"];
        apply(&conn, &first).unwrap();
        conn.execute("INSERT INTO a (x) VALUES (1)", []).unwrap();
        apply(&conn, &both).unwrap();
        apply(&conn, &both).unwrap();
        assert_eq!(version(&conn).unwrap(), 2);
        assert_eq!(conn.query_row("SELECT x + y FROM a", [], |row| row.get::<_, i64>(0)).unwrap(), 8);
    }

    #[test]
    fn operator_tokens_from_before_there_were_people_belong_to_the_first_admin() {
        let conn = Connection::open_in_memory().unwrap();
        apply(&conn, &MIGRATIONS[..1]).unwrap();
        let add = "INSERT INTO tokens (id, hash, provider, test, scopes, created_ms, expires_ms) VALUES (?1, ?2, ?3, 0, '', ?4, 99)";
        conn.execute(add, ("a", [1u8; 32], None::<String>, 7)).unwrap();
        conn.execute(add, ("b", [2u8; 32], None::<String>, 5)).unwrap();
        conn.execute(add, ("c", [3u8; 32], Some("acme"), 3)).unwrap();
        apply(&conn, MIGRATIONS).unwrap();
        let ask = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(ask("SELECT id || role || added_ms FROM staff"), "adminadmin5");
        assert_eq!(
            ask("SELECT group_concat(id || coalesce(staff, '-')) FROM (SELECT * FROM tokens ORDER BY id)"),
            "aadmin,badmin,c-"
        );
        let empty = Connection::open_in_memory().unwrap();
        apply(&empty, MIGRATIONS).unwrap();
        assert_eq!(empty.query_row("SELECT count(*) FROM staff", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_behind() {
        let conn = Connection::open_in_memory().unwrap();
        assert!(apply(&conn, &["CREATE TABLE a (x INTEGER); CREATE TABLE a (x INTEGER)"]).is_err());
        assert_eq!(version(&conn).unwrap(), 0);
        assert!(conn.prepare("SELECT * FROM a").is_err());
    }
}
