//! The whole decision table as text under review, `tests/decisions.txt`: what each role may do, and when.
//! `UPDATE_SNAPSHOT=1 cargo test -p conclave-policy` writes it anew; the difference is read before it is committed.

use std::path::Path;

use conclave_policy::engine::Snapshot;
use conclave_policy::permit::PolicyVersion;
use conclave_policy::table;

#[test]
fn the_decision_table_is_the_reviewed_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decisions.txt");
    let table = table::write(&Snapshot::built_in(PolicyVersion(1)).unwrap(), None, None);
    assert!(table.lines().count() < 3000);
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (now, then)) in (1..).zip(table.lines().zip(reviewed.lines())) {
        assert_eq!(
            now, then,
            "decisions.txt differs from line {line} on; if that is meant, UPDATE_SNAPSHOT=1 and review it"
        );
    }
    assert_eq!(
        table.len(),
        reviewed.len(),
        "decisions.txt is shorter or longer than the table"
    );
}
