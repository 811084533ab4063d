//! Everything that a catalogue holds, to be compared.

use super::Subject;
use crate::catalogue::Catalogue;
use sqlx::{AssertSqlSafe, SqliteConnection};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Each row of each table, as its name and its values in SQL.
pub(super) type View = BTreeSet<String>;

/// Left out: what the engine keeps of its own, what the migrations took in time, and what the health check wrote.
const TABLES: &str = "SELECT m.name, group_concat('quote(' || c.name || ')', '||'',''||')
     FROM sqlite_schema m JOIN pragma_table_info(m.name) c
     WHERE m.type = 'table' AND m.name NOT IN ('_sqlx_migrations', 'probe') AND c.name <> 'since_ms' GROUP BY m.name";

/// On a reading connection.
pub(super) async fn view(catalogue: &Catalogue) -> View {
    let mut reader = catalogue.reader_for_tests().await;
    let view = read(&mut reader).await;
    drop(reader);
    assert_eq!(catalogue.feed().latest(), latest(&view), "the feed goes on where its rows end");
    view
}

async fn read(reader: &mut SqliteConnection) -> View {
    // Every catalogue that was opened has the newest schema.
    static ALL: OnceLock<String> = OnceLock::new();
    let all = match ALL.get() {
        Some(all) => all,
        None => {
            let tables: Vec<(String, String)> = sqlx::query_as(TABLES).fetch_all(&mut *reader).await.unwrap();
            let rows = |(name, columns): &(String, String)| format!("SELECT '{name} ' || {columns} FROM {name}");
            let all = tables.iter().map(rows).collect::<Vec<_>>().join(" UNION ALL ");
            ALL.get_or_init(|| all)
        }
    };
    let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(all.as_str())).fetch_all(reader).await.unwrap();
    rows.into_iter().collect()
}

/// The highest number that the feed gave out.
fn latest(view: &View) -> u64 {
    let given = view.iter().find_map(|row| row.strip_prefix("sqlite_sequence 'change',"));
    given.map_or(0, |number| number.parse().unwrap())
}

impl Subject {
    /// As a directory finds it that starts: sound, and this in it.
    pub(super) fn look(&self) -> View {
        self.runtime.block_on(async {
            let catalogue = self.open().await;
            let mut reader = catalogue.reader_for_tests().await;
            let sound: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut *reader).await.unwrap();
            assert_eq!(sound, "ok");
            let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *reader).await.unwrap();
            assert!(broken.is_empty(), "{} rows refer to nothing", broken.len());
            drop(reader);
            view(&catalogue).await
        })
    }
}
