//! Who is at the other end of a connection, as sign-in has proved it, whatever way they come. Nothing here is read from a payload.

use std::net::IpAddr;

use conclave_policy::source::StreamKind;

use crate::auth::guesses::Guesser;
use crate::auth::limits::Network;
use crate::auth::principal::{Principal, Who};
use crate::auth::streamtoken::stream_of;
use crate::ids::{AccountId, ActorId, DeviceId, NetworkId, PictureId};
use crate::rooms::person::{Brought, GuestLink, StreamBy, Way};
use crate::store::database::Store;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The account, guest or stream.
    pub actor: ActorId,
    /// The account, when one is signed in.
    pub account: Option<AccountId>,
    /// The name that the server vouches for.
    pub name: String,
    /// The picture that they come with.
    pub picture: Option<PictureId>,
    /// Whether they administer the organisation.
    pub org_admin: bool,
    /// Whether a second factor was shown in their session.
    pub second_factor: bool,
    /// Whose guesses at the password count together.
    pub guesser: Guesser,
    /// The organisation that vouches for an account, by name.
    pub organisation: Option<String>,
    /// The link that a guest came by.
    pub link: Option<GuestLink>,
    /// The product that brought them.
    pub brought: Option<Box<Brought>>,
    /// The browser that a guest came with.
    pub device: Option<DeviceId>,
    /// The network that the connection comes from.
    pub network: Option<NetworkId>,
    /// How they come.
    pub way: Way,
}

impl Visitor {
    /// Someone with a page or a program like it.
    pub fn of(
        principal: &Principal,
        address: IpAddr,
        picture: Option<PictureId>,
        store: &Store,
    ) -> Self {
        let network = store.address_id(principal.org, Network::of(address).as_bytes());
        let nobody = Self {
            actor: principal.actor(),
            account: None,
            name: principal.name().as_str().to_owned(),
            picture,
            org_admin: false,
            second_factor: false,
            guesser: Guesser::Address(address),
            organisation: None,
            link: None,
            brought: None,
            device: None,
            network: Some(NetworkId::from_bytes(network)),
            way: Way::Page,
        };
        match &principal.who {
            Who::Account { id, admin, .. } => Self {
                account: Some(*id),
                org_admin: *admin,
                second_factor: principal.came.second_factor,
                guesser: Guesser::Account(*id),
                organisation: Some(store.organisation_name().to_owned()),
                ..nobody
            },
            Who::Guest {
                device,
                link,
                brought,
                ..
            } => Self {
                link: link.as_ref().map(|link| GuestLink {
                    id: link.id,
                    label: link.label.expose().clone(),
                }),
                // Whom a product brings is known by who they are there, whatever the browser.
                device: brought.is_none().then_some(*device),
                brought: brought.as_ref().map(|by| {
                    Box::new(Brought {
                        product: by.product.expose().clone(),
                        observes: by.observes,
                    })
                }),
                ..nobody
            },
            // A key is taken by the control API alone, and brings nobody to a door.
            Who::Program { .. } => nobody,
            Who::Stream { token, kind, .. } => Self {
                way: Way::Stream {
                    kind: *kind,
                    by: StreamBy::Token(*token),
                },
                ..nobody
            },
        }
    }

    /// A stream: by its token, or as that of someone, apart from their own presence and with none of their rights but the least.
    pub fn stream(principal: &Principal, kind: StreamKind, address: IpAddr, store: &Store) -> Self {
        let own = Self::of(principal, address, None, store);
        if own.way != Way::Page {
            return own;
        }
        Self {
            actor: stream_of(own.actor, kind),
            account: None,
            org_admin: false,
            second_factor: false,
            way: Way::Stream {
                kind,
                by: StreamBy::Identity {
                    actor: own.actor,
                    signed_in: own.account.is_some(),
                },
            },
            ..own
        }
    }
}
