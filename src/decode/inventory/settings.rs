//! The inventory's settings: where it is asked for which machines there are, and who asks.

use super::is_name;
use crate::decode::rules_file::nearest;
use crate::decode::settings::{Secret, SettingFault, TokenSource};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Fly's resolver, from inside any machine.
const FLY_DNS: &str = "[fdaa::3]:53";
/// Fly's Machines API.
const FLY_API: &str = "https://api.machines.dev";
/// What `LASTBEAT_INVENTORY` may say.
const KNOWN: [&str; 3] = ["dns", "machines", "none"];

/// Where the inventory is asked, and where machines are restarted.
#[derive(Clone, Debug)]
pub struct InventorySettings {
    /// Where it is asked; `None`: nowhere.
    pub source: Option<SourceSettings>,
    /// Where silent machines can be restarted; `None`: nowhere, since there is no token that was meant for it.
    pub restarts: Option<ApiSettings>,
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

/// Fly's Machines API, and who asks.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Its address, without a path.
    pub url: String,
    /// The token.
    pub token: TokenSource,
}

/// Reads them. `env` looks a variable up; an empty one counts as unset.
///
/// A token that was given for the logs (`ACCESS_TOKEN`) is used where the Machines API is asked for by name, as a
/// read-only token of the organisation reads both. It is never sent there unasked: off Fly it is some server's password.
///
/// # Errors
/// Every fault there is.
pub fn read(env: impl Fn(&str) -> Option<String>) -> Result<InventorySettings, Vec<SettingFault>> {
    let env = |names: &[&str]| first(&env, names);
    let mut faults = Vec::new();
    let on_fly = env(&["FLY_APP_NAME"]).is_some();
    let default = if on_fly { "dns" } else { "none" };
    let asked = env(&["LASTBEAT_INVENTORY"]).unwrap_or_else(|| default.to_owned());
    let url = url(env(&["LASTBEAT_INVENTORY_URL"]), &mut faults);
    let server = server(env(&["LASTBEAT_INVENTORY_DNS"]), &mut faults);
    let own = token(
        &env,
        &["LASTBEAT_INVENTORY_TOKEN"],
        &["LASTBEAT_INVENTORY_TOKEN_FILE"],
    );
    let api = |token| ApiSettings {
        url: url.clone(),
        token,
    };
    let mut restarts = own.clone().map(api);
    let source = match asked.trim() {
        "none" => None,
        "dns" => server.map(SourceSettings::Dns),
        "machines" => {
            let of_logs = || token(&env, &["ACCESS_TOKEN"], &["ACCESS_TOKEN_FILE"]);
            let token = own.or_else(of_logs);
            let organisation = organisation(env(&["ORG", "FLY_ORG"]), &mut faults);
            if token.is_none() {
                faults.push(fault(
                    "LASTBEAT_INVENTORY_TOKEN",
                    "the Machines API takes a token; make one with `fly tokens create readonly ORG`, or set \
                     LASTBEAT_INVENTORY to dns, which takes none"
                        .to_owned(),
                ));
            }
            restarts = token.map(api);
            let both = restarts.clone().zip(organisation);
            both.map(|(api, organisation)| SourceSettings::Machines { api, organisation })
        }
        other => {
            let near = nearest::hint(other, &KNOWN);
            let what = format!("{other:?} is no inventory{near}; known are dns, machines, none");
            faults.push(fault("LASTBEAT_INVENTORY", what));
            None
        }
    };
    if faults.is_empty() {
        Ok(InventorySettings { source, restarts })
    } else {
        Err(faults)
    }
}

fn fault(setting: &'static str, what: String) -> SettingFault {
    SettingFault { setting, what }
}

fn first(env: &impl Fn(&str) -> Option<String>, names: &[&str]) -> Option<String> {
    let mut values = names.iter().filter_map(|name| env(name));
    values.find(|value| !value.trim().is_empty())
}

fn token(
    env: &impl Fn(&[&str]) -> Option<String>,
    given: &[&str],
    file: &[&str],
) -> Option<TokenSource> {
    let given = env(given).map(|text| TokenSource::Given(Secret::new(text.trim())));
    given.or_else(|| env(file).map(|path| TokenSource::File(PathBuf::from(path))))
}

fn url(given: Option<String>, faults: &mut Vec<SettingFault>) -> String {
    let given = given.unwrap_or_else(|| FLY_API.to_owned());
    let url = given.trim().trim_end_matches('/');
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let is_host = |rest: &str| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']);
    if !rest.is_some_and(is_host) {
        // It may hold a key: it is not shown.
        let what = format!("this is no address of an API; give scheme and host, such as {FLY_API}");
        faults.push(fault("LASTBEAT_INVENTORY_URL", what));
    }
    url.to_owned()
}

fn server(given: Option<String>, faults: &mut Vec<SettingFault>) -> Option<SocketAddr> {
    let given = given.unwrap_or_else(|| FLY_DNS.to_owned());
    let server = given.trim().parse();
    if server.is_err() {
        let what = format!("{given:?} is no address with its port; give one such as {FLY_DNS}");
        faults.push(fault("LASTBEAT_INVENTORY_DNS", what));
    }
    server.ok()
}

/// As for the stream, `personal` where none is set.
fn organisation(given: Option<String>, faults: &mut Vec<SettingFault>) -> Option<String> {
    let given = given.unwrap_or_else(|| "personal".to_owned());
    let slug = given.trim();
    if is_name(slug) {
        return Some(slug.to_owned());
    }
    let what = format!("{slug:?} is no organisation's slug; `fly orgs list` shows it");
    faults.push(fault("ORG", what));
    None
}
