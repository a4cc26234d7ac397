//! The migrations, built into the binary in their order. They only go forward; a file that was released is never edited.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::store::error::OpenError;
use crate::store::sql::{Owned, query_scalar};

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
    61 "0061_a_room_has_languages_and_words_of_its_own";
    70 "0070_a_data_key_ends_with_whom_it_belongs_to";
    80 "0080_an_identity_elsewhere_belongs_to_one_account";
    83 "0083_a_session_is_renewed_in_turns";
    86 "0086_a_passkey_opens_one_account";
    87 "0087_a_recovery_code_stands_in_for_a_passkey_once";
    88 "0088_an_address_is_proved_by_a_link";
    89 "0089_a_mail_waits_until_it_is_sent";
    90 "0090_an_api_key_is_hashed_scoped_and_ends";
    91 "0091_an_answer_can_be_given_again";
    95 "0095_a_place_outside_is_told_what_happens";
    96 "0096_pages_of_others_may_bring_their_users";
    100 "0100_a_session_is_seen_by_its_holder";
    104 "0104_a_session_shows_its_second_factor_later";
    106 "0106_an_organisation_has_providers_of_its_own";
    107 "0107_identities_are_found_by_their_provider";
}

/// What PostgreSQL is given in place of a migration that it does not understand, under the same number.
const FOR_POSTGRES: &[(i64, &str)] = &[
    (
        11,
        include_str!("../../migrations/postgres/0011_the_audit_trail_only_grows.sql"),
    ),
    (
        22,
        include_str!(
            "../../migrations/postgres/0022_signed_heads_of_the_audit_trail_only_grow.sql"
        ),
    ),
];

/// Brings a database up to date.
pub(super) async fn migrate(own: &mut Owned) -> Result<(), MigrateError> {
    match own {
        Owned::Sqlite(own) => {
            let all = migrator(|_, sql| sql.into_sql_str());
            all.run_direct(None, own, false).await
        }
        Owned::Postgres(own) => {
            let all =
                migrator(|version, sql| AssertSqlSafe(for_postgres(version, sql)).into_sql_str());
            all.run_direct(None, own, false).await
        }
    }
}

/// Whether a database is of this version exactly, without a change to it.
pub(super) async fn is_current(own: &mut Owned) -> Result<bool, OpenError> {
    let newest: Option<i64> = query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut own.on())
        .await
        .map_err(OpenError::Database)?;
    Ok(newest == MIGRATIONS.last().map(|(version, ..)| *version))
}

fn migrator(text: impl Fn(i64, &'static str) -> SqlStr) -> Migrator {
    let all = MIGRATIONS
        .iter()
        .map(|(version, name, sql)| {
            Migration::new(
                *version,
                (*name).into(),
                MigrationType::Simple,
                text(*version, sql),
                false,
            )
        })
        .collect();
    Migrator::with_migrations(all)
}

/// The same tables in PostgreSQL's words. Text is ordered by its bytes there too, whatever the language of the database.
fn for_postgres(version: i64, sql: &str) -> String {
    match FOR_POSTGRES.iter().find(|(other, _)| *other == version) {
        Some((_, own)) => (*own).to_owned(),
        None => sql
            .replace(" BLOB", " BYTEA")
            .replace(" TEXT", " TEXT COLLATE \"C\""),
    }
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
            .filter(|name| name != "postgres")
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
