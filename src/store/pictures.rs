//! Pictures that people show. Each belongs to one account or guest, is found by a keyed hash of owner and content, and is
//! sealed. How many there are is bounded by owner and by organisation; what nobody shows goes after a while.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::ids::{ActorId, OrgId, PictureId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::{Holder, Scope};
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Column, Purpose, SealingKeys};
use crate::store::sql::{Connection, query, query_scalar};
use crate::store::writer::{Change, Written};

const BODY: Column = Column {
    table: "pictures",
    name: "body",
    scope: Scope::Account,
};
/// Pictures of one owner: enough to try some, few enough to be no store of files. The oldest that is not shown gives way.
const MAX_PER_OWNER: i64 = 8;
/// Pictures of guests, whom anybody can be. At 128 KiB each this is 128 MiB at most.
const MAX_OF_GUESTS: i64 = 1000;
/// Pictures of an organisation's accounts.
const MAX_OF_ACCOUNTS: i64 = 50_000;
/// How long a picture lasts that is not shown, or a guest's: longer than any meeting, in which it may have been approved.
const UNSHOWN: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// Whose pictures are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The organisation.
    pub org: OrgId,
    /// The account or guest.
    pub actor: ActorId,
    /// Whether it is a guest.
    pub guest: bool,
}

impl Owner {
    /// Whose key seals the picture. Guests have none of their own; their pictures last two days.
    fn holder(self) -> Holder {
        holder(*self.org.as_bytes(), *self.actor.as_bytes(), self.guest)
    }
}

pub(super) fn holder(org: [u8; 16], actor: [u8; 16], guest: bool) -> Holder {
    match guest {
        true => Holder::organisation(org),
        false => Holder::account(org, actor),
    }
}

impl Store {
    /// Keeps a picture, and gives the name under which it is found. The same picture of the same owner has the same name.
    ///
    /// # Errors
    /// `Full` when the organisation has too many.
    pub fn keep_picture(&self, owner: Owner, picture: &[u8], now: Timestamp) -> Written<PictureId> {
        self.write(Keep {
            owner,
            id: self.picture_id(owner, picture),
            body: Secret::new(picture.to_vec()),
            now,
            keys: self.keys().clone(),
        })
    }

    /// Shows this picture of the owner's to others from now on, or none.
    ///
    /// # Errors
    /// `Missing` when the owner has no such picture.
    pub fn show_picture(
        &self,
        owner: Owner,
        picture: Option<PictureId>,
        now: Timestamp,
    ) -> Written<()> {
        self.write(Show {
            owner,
            picture,
            now,
        })
    }

    /// The picture that this account or guest shows.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn shown_picture(
        &self,
        org: OrgId,
        actor: ActorId,
    ) -> Result<Option<PictureId>, StoreError> {
        let found = query(
            "SELECT picture_id FROM pictures WHERE org_id = $1 AND actor_id = $2 AND shown = 1",
        )
        .bind(org.as_bytes().as_slice())
        .bind(actor.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        found.map(|row| row::id(&row, "picture_id")).transpose()
    }

    /// Whether this picture is this account's or guest's own.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn holds_picture(
        &self,
        org: OrgId,
        actor: ActorId,
        picture: PictureId,
    ) -> Result<bool, StoreError> {
        let found =
            query("SELECT 1 FROM pictures WHERE org_id = $1 AND picture_id = $2 AND actor_id = $3")
                .bind(org.as_bytes().as_slice())
                .bind(picture.as_bytes().as_slice())
                .bind(actor.as_bytes().as_slice())
                .fetch_optional(self.reads())
                .await?;
        Ok(found.is_some())
    }

    /// The content of a picture.
    ///
    /// # Errors
    /// When the database does not answer, or the content does not open.
    pub async fn picture(
        &self,
        org: OrgId,
        picture: PictureId,
    ) -> Result<Option<Secret<Vec<u8>>>, StoreError> {
        let found = query(
            "SELECT actor_id, guest, body FROM pictures WHERE org_id = $1 AND picture_id = $2",
        )
        .bind(org.as_bytes().as_slice())
        .bind(picture.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        let Some(found) = found else { return Ok(None) };
        let owner = Owner {
            org,
            actor: row::id(&found, "actor_id")?,
            guest: row::flag(&found, "guest")?,
        };
        let place = [org.as_bytes().as_slice(), picture.as_bytes()];
        let body = self.keys().open_of(
            self.reads(),
            owner.holder(),
            BODY,
            &place,
            found.try_get("body")?,
        );
        body.await.map(Some)
    }

    fn picture_id(&self, owner: Owner, picture: &[u8]) -> PictureId {
        let parts = [
            owner.org.as_bytes().as_slice(),
            owner.actor.as_bytes(),
            picture,
        ];
        let hash = self.keys().keyed_hash(Purpose::Picture, &parts);
        let mut id = [0; 16];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        id.into()
    }
}

/// Takes every picture from an account that ends.
pub(super) async fn forget(
    on: &mut Connection<'_>,
    org: OrgId,
    actor: ActorId,
) -> Result<(), StoreError> {
    query("DELETE FROM pictures WHERE org_id = $1 AND actor_id = $2")
        .bind(org.as_bytes().as_slice())
        .bind(actor.as_bytes().as_slice())
        .execute(on)
        .await?;
    Ok(())
}

struct Keep {
    owner: Owner,
    id: PictureId,
    body: Secret<Vec<u8>>,
    now: Timestamp,
    keys: Arc<SealingKeys>,
}

impl Change for Keep {
    type Out = PictureId;

    async fn apply(self, on: &mut Connection<'_>) -> Result<PictureId, StoreError> {
        let Self {
            owner,
            id,
            body,
            now,
            keys,
        } = self;
        let (org, actor) = (owner.org.as_bytes().as_slice(), owner.actor.as_bytes());
        query("DELETE FROM pictures WHERE org_id = $1 AND expires <= $2")
            .bind(org)
            .bind(now.as_millis())
            .execute(&mut *on)
            .await?;
        let again = query(
            "UPDATE pictures SET expires = $1 WHERE org_id = $2 AND picture_id = $3 AND expires IS NOT NULL",
        )
        .bind(now.after(UNSHOWN).as_millis())
        .bind(org)
        .bind(id.as_bytes().as_slice())
        .execute(&mut *on)
        .await?;
        if again.rows_affected() > 0 || exists(on, owner.org, id).await? {
            return Ok(id);
        }
        query(
            "DELETE FROM pictures WHERE org_id = $1 AND shown = 0 AND picture_id IN (SELECT picture_id FROM pictures \
             WHERE org_id = $1 AND actor_id = $2 ORDER BY shown DESC, created DESC, picture_id LIMIT $3 OFFSET $4)",
        )
        .bind(org)
        .bind(actor.as_slice())
        .bind(MAX_PER_OWNER)
        .bind(MAX_PER_OWNER - 1)
        .execute(&mut *on)
        .await?;
        let most = if owner.guest {
            MAX_OF_GUESTS
        } else {
            MAX_OF_ACCOUNTS
        };
        let kept: i64 =
            query_scalar("SELECT COUNT(*) FROM pictures WHERE org_id = $1 AND guest = $2")
                .bind(org)
                .bind(i64::from(owner.guest))
                .fetch_one(&mut *on)
                .await?;
        if kept >= most {
            return Err(StoreError::Full);
        }
        let place = [org, id.as_bytes()];
        let body = body.expose();
        query(
            "INSERT INTO pictures (org_id, picture_id, actor_id, guest, shown, body, created, expires) \
             VALUES ($1, $2, $3, $4, 0, $5, $6, $7)",
        )
        .bind(org)
        .bind(id.as_bytes().as_slice())
        .bind(actor.as_slice())
        .bind(i64::from(owner.guest))
        .bind(
            keys.seal_of(&mut *on, owner.holder(), BODY, &place, body)
                .await?,
        )
        .bind(now.as_millis())
        .bind(now.after(UNSHOWN).as_millis())
        .execute(on)
        .await?;
        Ok(id)
    }
}

async fn exists(
    on: &mut Connection<'_>,
    org: OrgId,
    picture: PictureId,
) -> Result<bool, StoreError> {
    let found = query("SELECT 1 FROM pictures WHERE org_id = $1 AND picture_id = $2")
        .bind(org.as_bytes().as_slice())
        .bind(picture.as_bytes().as_slice())
        .fetch_optional(on)
        .await?;
    Ok(found.is_some())
}

struct Show {
    owner: Owner,
    picture: Option<PictureId>,
    now: Timestamp,
}

impl Change for Show {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self {
            owner,
            picture,
            now,
        } = self;
        let (org, actor) = (owner.org.as_bytes().as_slice(), owner.actor.as_bytes());
        // A meeting may still show the one that goes.
        query("UPDATE pictures SET shown = 0, expires = $1 WHERE org_id = $2 AND actor_id = $3 AND shown = 1")
            .bind(now.after(UNSHOWN).as_millis())
            .bind(org)
            .bind(actor.as_slice())
            .execute(&mut *on)
            .await?;
        let Some(picture) = picture else {
            return Ok(());
        };
        let expires = owner.guest.then(|| now.after(UNSHOWN).as_millis());
        let shown = query(
            "UPDATE pictures SET shown = 1, expires = $1 WHERE org_id = $2 AND actor_id = $3 AND picture_id = $4",
        )
        .bind(expires)
        .bind(org)
        .bind(actor.as_slice())
        .bind(picture.as_bytes().as_slice())
        .execute(on)
        .await?;
        match shown.rows_affected() {
            1 => Ok(()),
            _ => Err(StoreError::Missing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::tests::make;
    use crate::store::database::tests::store;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn owner(store: &Store, actor: u8) -> Owner {
        Owner {
            org: store.org(),
            actor: ActorId::from_bytes([actor; 16]),
            guest: actor >= 100,
        }
    }

    #[tokio::test]
    async fn a_picture_is_found_by_its_name_in_its_organisation_only() {
        let (_folder, store) = store().await;
        let (member, attendee) = (owner(&store, 1), owner(&store, 2));
        let id = store.keep_picture(member, b"content", NOW).await.unwrap();
        assert_eq!(store.keep_picture(member, b"content", NOW).await, Ok(id));
        assert_eq!(
            store
                .picture(member.org, id)
                .await
                .unwrap()
                .unwrap()
                .expose(),
            b"content"
        );
        let elsewhere = OrgId::from_bytes([9; 16]);
        assert!(store.picture(elsewhere, id).await.unwrap().is_none());
        // The same content of somebody else has another name, so that having one does not tell who else does.
        let other = store.keep_picture(attendee, b"content", NOW).await.unwrap();
        assert_ne!(other, id);
        assert!(
            store
                .holds_picture(member.org, member.actor, id)
                .await
                .unwrap()
        );
        assert!(
            !store
                .holds_picture(member.org, attendee.actor, id)
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn one_of_the_own_pictures_is_shown() {
        let (_folder, store) = store().await;
        let (member, attendee) = (owner(&store, 1), owner(&store, 2));
        let one = store.keep_picture(member, b"one", NOW).await.unwrap();
        let two = store.keep_picture(member, b"two", NOW).await.unwrap();
        store.show_picture(member, Some(one), NOW).await.unwrap();
        store.show_picture(member, Some(two), NOW).await.unwrap();
        assert_eq!(
            store.shown_picture(member.org, member.actor).await,
            Ok(Some(two))
        );
        assert_eq!(
            store.show_picture(attendee, Some(two), NOW).await,
            Err(StoreError::Missing)
        );
        assert_eq!(
            store.shown_picture(attendee.org, attendee.actor).await,
            Ok(None)
        );
        // What was refused has not taken away what was shown.
        assert_eq!(
            store
                .show_picture(member, Some(PictureId::from_bytes([0; 16])), NOW)
                .await,
            Err(StoreError::Missing)
        );
        assert_eq!(
            store.shown_picture(member.org, member.actor).await,
            Ok(Some(two))
        );
        store.show_picture(member, None, NOW).await.unwrap();
        assert_eq!(
            store.shown_picture(member.org, member.actor).await,
            Ok(None)
        );
    }

    #[tokio::test]
    async fn what_nobody_shows_goes_after_a_while_and_a_guest_s_goes_anyway() {
        let (_folder, store) = store().await;
        let (member, guest) = (owner(&store, 1), owner(&store, 100));
        let shown = store.keep_picture(member, b"shown", NOW).await.unwrap();
        let tried = store.keep_picture(member, b"tried", NOW).await.unwrap();
        let theirs = store.keep_picture(guest, b"theirs", NOW).await.unwrap();
        store.show_picture(member, Some(shown), NOW).await.unwrap();
        store.show_picture(guest, Some(theirs), NOW).await.unwrap();
        let later = NOW.after(UNSHOWN);
        store
            .keep_picture(owner(&store, 3), b"any", later)
            .await
            .unwrap();
        let there = async |id| store.picture(store.org(), id).await.unwrap().is_some();
        assert!(there(shown).await);
        assert!(!there(tried).await);
        assert!(!there(theirs).await);
    }

    #[tokio::test]
    async fn an_owner_has_a_bounded_number_and_keeps_the_shown_one() {
        let (_folder, store) = store().await;
        let member = owner(&store, 1);
        let shown = store.keep_picture(member, b"shown", NOW).await.unwrap();
        store.show_picture(member, Some(shown), NOW).await.unwrap();
        for number in 0..20_u8 {
            let at = Timestamp::from_millis(2_000 + i64::from(number));
            store.keep_picture(member, &[number], at).await.unwrap();
        }
        let count: i64 = query_scalar("SELECT COUNT(*) FROM pictures")
            .fetch_one(store.reads())
            .await
            .unwrap();
        assert_eq!(count, MAX_PER_OWNER);
        assert!(store.picture(member.org, shown).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn an_ended_account_leaves_no_picture() {
        let (_folder, store) = store().await;
        let account = make(&store, 1, "member@example.org").await;
        let member = owner(&store, 1);
        let id = store.keep_picture(member, b"content", NOW).await.unwrap();
        store.end_account(store.org(), account, NOW).await.unwrap();
        assert!(store.picture(member.org, id).await.unwrap().is_none());
    }
}
