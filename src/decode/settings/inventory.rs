//! The inventory's settings: the list of machines, where it comes from, and the token for it.

use super::declared::{
    ACCESS_TOKEN, INVENTORY, INVENTORY_DNS, INVENTORY_TOKEN, INVENTORY_URL, InventoryKind,
    SECOND_OPINION, USER,
};
use super::given::Given;
use super::secret::TokenSource;
use crate::decode::inventory::is_name;
use std::net::SocketAddr;

/// Variables of the organisation's slug; `NATS_USER` beside them is a user of some server.
const ORGANISATION: [&str; 2] = ["ORG", "FLY_ORG"];
/// The variable of the token of Fly's logs; `NATS_PASSWORD` beside it is that of some server.
const OF_LOGS: &str = "ACCESS_TOKEN";

/// Where the inventory is asked, and where machines are restarted.
#[derive(Clone, Debug)]
pub struct InventorySettings {
    /// Where it is asked; `None`: nowhere.
    pub source: Option<SourceSettings>,
    /// Where silent machines can be restarted; `None`: nowhere, since there is no token that was meant for it.
    pub restarts: Option<ApiSettings>,
    /// Where the platform's own logs are asked for a second opinion; `None`: nowhere.
    pub logs: Option<ApiSettings>,
}

/// Where the inventory is asked.
#[derive(Clone, Debug)]
pub enum SourceSettings {
    /// Fly's private DNS; no token.
    Dns(SocketAddr),
    /// Fly's Machines API.
    Machines {
        /// The API.
        api: ApiSettings,
        /// The organisation's slug.
        organisation: String,
    },
}

/// Fly's Machines API, and the credentials for it.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Its address, without a path.
    pub url: String,
    /// The token.
    pub token: TokenSource,
}

/// Reads them.
///
/// A token that was given for the logs (`ACCESS_TOKEN`) is used where the Machines API is asked for by name, as a
/// read-only token of the organisation reads both. It is never sent there unasked: off Fly it is some server's password.
pub(super) fn inventory(given: &Given<'_>) -> InventorySettings {
    let on_fly = given.variable("FLY_APP_NAME").is_some();
    let default = if on_fly {
        InventoryKind::Dns
    } else {
        InventoryKind::None
    };
    let url = given.value(&INVENTORY_URL);
    let server = given.value(&INVENTORY_DNS);
    let own = given.secret(&INVENTORY_TOKEN);
    let logs = logs(given, own.clone());
    let api = |token| ApiSettings { url, token };
    match given.optional(&INVENTORY).unwrap_or(default) {
        InventoryKind::None => InventorySettings {
            source: None,
            restarts: own.map(api),
            logs,
        },
        InventoryKind::Dns => InventorySettings {
            source: Some(SourceSettings::Dns(server)),
            restarts: own.map(api),
            logs,
        },
        InventoryKind::Machines => {
            let restarts = own
                .or_else(|| given.secret_of(&ACCESS_TOKEN, |name| name == OF_LOGS))
                .map(api);
            if restarts.is_none() {
                let what = "the Machines API takes a token; make one with `fly tokens create readonly ORG`, or set \
                            LASTBEAT_INVENTORY to dns, which takes none";
                given.fault(&INVENTORY_TOKEN.about, what.to_owned());
            }
            let both = restarts.clone().zip(organisation(given));
            let source =
                both.map(|(api, organisation)| SourceSettings::Machines { api, organisation });
            InventorySettings {
                source,
                restarts,
                logs,
            }
        }
    }
}

/// The platform's own logs, with the token of the Machines API, else the one for the logs.
fn logs(given: &Given<'_>, own: Option<TokenSource>) -> Option<ApiSettings> {
    let url = given.value(&SECOND_OPINION)?;
    let token = own.or_else(|| given.secret_of(&ACCESS_TOKEN, |name| name == OF_LOGS));
    if token.is_none() {
        let what = "the logs API takes a token; make one with `fly tokens create readonly ORG`, or set \
                    LASTBEAT_SECOND_OPINION to off";
        given.fault(&INVENTORY_TOKEN.about, what.to_owned());
    }
    token.map(|token| ApiSettings { url, token })
}

/// As for the stream, `personal` where none is set.
fn organisation(given: &Given<'_>) -> Option<String> {
    let slug = given.first(&ORGANISATION);
    let slug = slug.unwrap_or_else(|| "personal".to_owned());
    if is_name(slug.trim()) {
        return Some(slug.trim().to_owned());
    }
    let what = format!(
        "invalid slug {:?}: `fly orgs list` shows the organisation's",
        slug.trim()
    );
    given.fault(&USER.about, what);
    None
}
