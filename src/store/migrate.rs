//! The migrations, built into the binary in their order. They only go forward; a file that was released is never edited.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

macro_rules! migrations {
    ($($version:literal $name:literal;)*) => {
        /// Number, name and text of each.
        const MIGRATIONS: &[(i64, &str, &str)] = &[$(
            ($version, $name, include_str!(concat!("../../migrations/", $name, ".sql"))),
        )*];
    };
}

migrations! {
    1 "0001_an_organisation_owns_every_row";
    2 "0002_accounts_seal_what_is_personal";
    3 "0003_an_invitation_is_used_once";
    4 "0004_a_room_outlives_its_meetings";
    5 "0005_a_room_keeps_only_relaxed_settings";
    6 "0006_a_role_in_a_room_belongs_to_an_account";
    7 "0007_a_removal_outlives_the_connection";
    8 "0008_a_session_can_be_revoked";
    9 "0009_session_keys_rotate";
    10 "0010_the_audit_trail_is_a_chain";
    11 "0011_the_audit_trail_only_grows";
    12 "0012_a_bar_outlives_the_session";
    13 "0013_a_guest_link_is_used_by_one_device";
    20 "0020_the_audit_trail_is_found_by_room_and_actor";
    21 "0021_heads_of_the_audit_trail_are_signed";
    22 "0022_signed_heads_of_the_audit_trail_only_grow";
    25 "0025_the_chat_is_numbered_and_sealed";
    26 "0026_who_was_in_may_read_back";
    30 "0030_a_picture_belongs_to_who_shows_it";
    35 "0035_an_organisation_chooses_and_locks";
    36 "0036_an_organisation_has_options";
    37 "0037_a_room_keeps_what_was_chosen_for_it";
    38 "0038_a_room_has_a_kind";
    40 "0040_a_room_password_has_a_revision";
    50 "0050_a_stream_token_brings_one_stream";
    60 "0060_what_was_said_is_kept_where_a_host_wants_it";
}

/// All of them, ready to run.
pub(super) fn migrator() -> Migrator {
    let all = MIGRATIONS
        .iter()
        .map(|(version, name, sql)| {
            Migration::new(
                *version,
                (*name).into(),
                MigrationType::Simple,
                sql.into_sql_str(),
                false,
            )
        })
        .collect();
    Migrator::with_migrations(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_file_is_built_in_under_its_number() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let built_in: Vec<String> = MIGRATIONS
            .iter()
            .map(|(_, name, _)| format!("{name}.sql"))
            .collect();
        assert_eq!(files, built_in);
        assert!(MIGRATIONS.is_sorted_by(|(one, ..), (next, ..)| one < next));
        for (version, name, _) in MIGRATIONS {
            assert!(name.starts_with(&format!("{version:04}_")));
        }
    }
}
