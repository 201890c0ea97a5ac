//! Brings a ledger file to the newest format: `migrations/NNNN-*.sql`, each once, each in a transaction of its own.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use crate::log;

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
    include_str!("../../migrations/0012-rows.sql"),
    include_str!("../../migrations/0013-charter-acts.sql"),
    include_str!("../../migrations/0014-taken.sql"),
    include_str!("../../migrations/0015-recent.sql"),
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
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function("sha256", 1, flags, |args| Ok(log::sha256(&[args.get_raw(0).as_blob()?])))?;
    for (at, sql) in migrations.iter().enumerate().skip(seen) {
        let step = conn.unchecked_transaction()?;
        step.execute_batch(sql)?;
        step.pragma_update(None, "user_version", at as i64 + 1)?;
        step.commit()?;
    }
    conn.remove_function("sha256", 1)
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
    fn rows_that_stood_by_their_labels_stand_as_they_came_and_are_found() {
        let conn = Connection::open_in_memory().unwrap();
        apply(&conn, &MIGRATIONS[..11]).unwrap();
        for (label, number) in [(9u8, 10), (3, 20)] {
            let person = "INSERT INTO personal (label, number, proof, opening, record, sponsor) VALUES (?1, ?2, x'01', x'02', x'03', 'acme')";
            conn.execute(person, ([label; 32], number)).unwrap();
            let state = "INSERT INTO states (label, state, sponsor, time_ms, event_seq, keys_seq, due_s) VALUES (?1, ?2, 'acme', 5, 6, 7, 8)";
            conn.execute(state, ([label; 32], [label; 212])).unwrap();
        }
        for (seq, n) in [(4, 0), (4, 1)] {
            let token = "INSERT INTO validations (label, seq, n, entity, key, iat_s, methods) VALUES (?1, ?2, ?3, 've', x'05', 1, 'sms')";
            conn.execute(token, ([3u8; 32], seq, n)).unwrap();
        }
        apply(&conn, MIGRATIONS).unwrap();
        let hash: [u8; 32] =
            conn.query_row("SELECT hash FROM states WHERE label = ?1", [[9u8; 32]], |row| row.get(0)).unwrap();
        assert_eq!(hash, log::sha256(&[&[9; 212]]));
        let rests = "SELECT number, (SELECT count(*) FROM validations v WHERE v.id = p.validation) FROM personal p ORDER BY number";
        let mut rests = conn.prepare(rests).unwrap();
        let rests: Vec<(i64, i64)> =
            rests.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
        assert_eq!(rests, [(10, 0), (20, 2)]);
        let sound: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_behind() {
        let conn = Connection::open_in_memory().unwrap();
        assert!(apply(&conn, &["CREATE TABLE a (x INTEGER); CREATE TABLE a (x INTEGER)"]).is_err());
        assert_eq!(version(&conn).unwrap(), 0);
        assert!(conn.prepare("SELECT * FROM a").is_err());
    }
}
