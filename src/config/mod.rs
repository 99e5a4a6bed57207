//! File, environment and flags, read into types before anything else happens; the only reader of the environment
//! beside clap.

mod actors;
pub mod args;
pub mod listen;
pub mod zoneinfo;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use serde::Deserialize;

use self::actors::{FileActor, actors};
use crate::domain::{
    admin::Actors,
    client_address::{ClientAddress, Hops, TrustedProxies},
    gateway::Gateway,
    network::{TrustedPeers, parse_network},
    parse::ParseError,
    policy::Policy,
    secret::HeldSecret,
    text::{HeaderName, Realm},
};

/// What the configuration file says; without one, its defaults.
#[derive(Debug, Default)]
pub struct Config {
    /// Where holders carry their keys when they come through a gateway.
    pub gateway: Gateway,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Who may call without a key.
    pub actors: Actors,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For eyes.
    #[default]
    Text,
    /// For machines: one object a line.
    Json,
}

/// Why the configuration cannot be used; nothing has been started or bound then.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {why}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// The file is not TOML of this form; says line and field.
    #[error("the configuration file {} is wrong: {why}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        why: String,
    },
    /// The policy document is wrong: every fault, a line each.
    #[error("the policy {} is wrong:\n{faults}", .path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        faults: String,
    },
    /// A field is not what it takes.
    #[error("the configuration file {} is wrong: `{field}` {why}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// What it takes.
        why: ParseError,
    },
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    log_format: Option<LogFormat>,
    #[serde(default)]
    gateway: FileGateway,
    #[serde(default)]
    actors: Vec<FileActor>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileGateway {
    bearer_header: Option<String>,
    key_header: Option<String>,
    remove_credential: Option<bool>,
    realm: Option<String>,
    trusted_peers: Option<Vec<String>>,
    trusted_proxies: Option<Vec<String>>,
    trusted_hops: Option<i64>,
    client_address_header: Option<String>,
}

impl Config {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// It cannot be read, has an unknown field, or a field is not what it takes.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let unreadable = |why| ConfigError::Unreadable { path: path.to_owned(), why };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let malformed = |why: toml::de::Error| ConfigError::Malformed {
            path: path.to_owned(),
            why: format!("{}: {}", line_of(text, &why), why.message()),
        };
        let file: File = toml::from_str(text).map_err(malformed)?;
        let invalid =
            |field: &str, why| ConfigError::Invalid { path: path.to_owned(), field: field.to_owned(), why };
        let actors = actors(&file.actors).map_err(|(field, why)| invalid(&field, why))?;
        let gateway = gateway(&file.gateway).map_err(|(field, why)| invalid(field, why))?;
        Ok(Self { gateway, log_format: file.log_format.unwrap_or_default(), actors })
    }
}

/// Reads the policy document that a new store begins with; without a file, the default one.
///
/// # Errors
/// It cannot be read, or is wrong.
pub fn first_policy(path: Option<&Path>) -> Result<Policy, ConfigError> {
    let (path, read) = match path {
        None => (PathBuf::from("(built in)"), Policy::default_document()),
        Some(path) => {
            let unreadable = |why| ConfigError::Unreadable { path: path.to_owned(), why };
            let text = std::fs::read_to_string(path).map_err(unreadable)?;
            (path.to_owned(), Policy::from_toml(&text))
        }
    };
    read.map_err(|faults| {
        let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
        ConfigError::Policy { path, faults: lines.join("\n") }
    })
}

/// The number of the line that an error is about, and the line: `toml` itself draws both over several lines.
fn line_of(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let above = before.matches('\n').count();
    let line = text.lines().nth(above).unwrap_or_default().trim();
    format!("line {}, `{line}`", above.saturating_add(1))
}

fn gateway(file: &FileGateway) -> Result<Gateway, (&'static str, ParseError)> {
    let header = |field, text: &Option<String>, default: HeaderName| match text {
        None => Ok(default),
        Some(text) => HeaderName::parse(text).map_err(|why| (field, why)),
    };
    let bearer = header("gateway.bearer_header", &file.bearer_header, HeaderName::authorization())?;
    let key = header("gateway.key_header", &file.key_header, HeaderName::x_api_key())?;
    let realm = match &file.realm {
        None => Realm::default(),
        Some(text) => Realm::parse(text).map_err(|why| ("gateway.realm", why))?,
    };
    let remove_credential = file.remove_credential.unwrap_or_default();
    let mut gateway =
        Gateway::new(bearer, key, remove_credential, realm).map_err(|why| ("gateway.key_header", why))?;
    if let Some(texts) = &file.trusted_peers {
        let trusted = networks(texts).and_then(TrustedPeers::new);
        gateway.trusted_peers = trusted.map_err(|why| ("gateway.trusted_peers", why))?;
    }
    let (field, believed) = client_address(file)?;
    gateway.believing(believed).map_err(|why| (field, why))
}

fn networks(texts: &[String]) -> Result<Vec<IpNet>, ParseError> {
    texts.iter().map(|text| parse_network(text)).collect()
}

/// Whose word is believed on where a request came from, and the field that says so: at most one of three.
fn client_address(file: &FileGateway) -> Result<(&'static str, ClientAddress), (&'static str, ParseError)> {
    const PROXIES: &str = "gateway.trusted_proxies";
    const HOPS: &str = "gateway.trusted_hops";
    const HEADER: &str = "gateway.client_address_header";
    let proxies = file.trusted_proxies.as_deref().map(|texts| {
        let proxies = networks(texts).and_then(TrustedProxies::new);
        (PROXIES, proxies.map(ClientAddress::Proxies))
    });
    let hops = file.trusted_hops.map(|number| (HOPS, Hops::new(number).map(ClientAddress::Hops)));
    let header = file.client_address_header.as_deref();
    let header = header.map(|text| (HEADER, HeaderName::parse(text).map(ClientAddress::Header)));
    let mut given = [proxies, hops, header].into_iter().flatten();
    let Some((field, believed)) = given.next() else { return Ok((HEADER, ClientAddress::default())) };
    if let Some((other, _)) = given.next() {
        return Err((other, ParseError::owned(format!("left out, where `{field}` is given"))));
    }
    believed.map(|believed| (field, believed)).map_err(|why| (field, why))
}

/// The administration key that the environment holds (`KEYWARD_ADMIN_KEY`). Bytes that are not text become a key that
/// is refused, not none.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "clap reads the environment for arguments only, and no secret is one"
)]
pub fn admin_key() -> Option<HeldSecret> {
    let key = std::env::var_os("KEYWARD_ADMIN_KEY").filter(|key| !key.is_empty())?;
    Some(HeldSecret::new(key.to_string_lossy().into_owned()))
}

/// Whether nobody asked for text without colours: `NO_COLOR` is empty or not set, and `TERM` is not `dumb`.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "no flag does")]
pub fn allows_colours() -> bool {
    let unset = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    unset && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// Where systemd puts the credentials of this service (`CREDENTIALS_DIRECTORY`).
#[must_use]
#[expect(clippy::disallowed_methods, reason = "systemd sets it, and no flag does")]
pub fn credentials_directory() -> Option<OsString> {
    std::env::var_os("CREDENTIALS_DIRECTORY").filter(|directory| !directory.is_empty())
}

/// What to log (`KEYWARD_LOG`), for example `info` or `info,keyward::grpc=debug`; `info` unless set. Bytes that are not text
/// become a filter that is refused.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one reader of this variable")]
pub fn log_filter() -> String {
    let filter = std::env::var_os("KEYWARD_LOG").filter(|filter| !filter.is_empty());
    filter.map_or_else(|| "info".to_owned(), |filter| filter.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("keyward.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_gateway_is_configurable() {
        // H1 H6
        let config = parse(
            r#"
            [gateway]
            bearer_header = "x-forwarded-authorization"
            remove_credential = true
            realm = "Example API"
            "#,
        );
        let Gateway { remove_credential, realm, .. } = &config.as_ref().unwrap().gateway;
        assert_eq!((*remove_credential, realm.as_str()), (true, "Example API"));
        let gateway = config.unwrap().gateway;
        assert_eq!(
            (gateway.bearer_header(), gateway.key_header()),
            ("x-forwarded-authorization", "x-api-key")
        );
        assert_eq!(parse("").unwrap().gateway, Gateway::default());
    }

    #[test]
    fn who_may_ask_and_whose_word_on_the_address_is_believed_are_two_settings() {
        // H9
        let believed = |text: &str| {
            let gateway = parse(&format!("[gateway]\n{text}")).unwrap().gateway;
            assert_eq!(gateway.trusted_peers, TrustedPeers::default(), "{text}");
            gateway.client_address().clone()
        };
        let proxies = TrustedProxies::new(vec![parse_network("192.0.2.0/24").unwrap()]).unwrap();
        assert_eq!(believed("trusted_proxies = [\"192.0.2.0/24\"]"), ClientAddress::Proxies(proxies));
        assert_eq!(believed("trusted_hops = 2"), ClientAddress::Hops(Hops::new(2).unwrap()));
        let header = ClientAddress::Header(HeaderName::parse("x-real-ip").unwrap());
        assert_eq!(believed("client_address_header = \"x-real-ip\""), header);
        assert_eq!(believed(""), ClientAddress::OfTheGateway);
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_field() {
        for (text, named) in [
            ("listem = 1", "listem"),
            ("log_format = \"xml\"", "log_format"),
            ("[gateway]\nkey_headers = \"a\"", "key_headers"),
            ("[gateway]\nkey_header = \"X-Api-Key\"", "`gateway.key_header`"),
            ("[gateway]\nkey_header = \"authorization\"", "`gateway.key_header`"),
            ("[gateway]\nbearer_header = \":path\"", "`gateway.bearer_header`"),
            ("[gateway]\nrealm = \"a\\\"b\"", "`gateway.realm`"),
            ("[gateway]\ntrusted_peers = [\"10.0.0.1\"]", "`gateway.trusted_peers`"),
            ("[gateway]\ntrusted_peers = [\"0.0.0.0/0\"]", "`gateway.trusted_peers`"),
            ("[gateway]\nkey_header = \"x-forwarded-uri\"", "`gateway.key_header`"),
            ("[gateway]\ntrusted_proxies = [\"10.0.0.1\"]", "`gateway.trusted_proxies`"),
            ("[gateway]\ntrusted_proxies = [\"::/0\"]", "`gateway.trusted_proxies`"),
            ("[gateway]\ntrusted_hops = -1", "`gateway.trusted_hops`"),
            ("[gateway]\ntrusted_hops = 33", "`gateway.trusted_hops`"),
            ("[gateway]\ntrusted_hops = \"1\"", "trusted_hops"),
            ("[gateway]\nclient_address_header = \"X-Real-Ip\"", "`gateway.client_address_header`"),
            ("[gateway]\nclient_address_header = \"x-api-key\"", "`gateway.client_address_header`"),
            ("[gateway]\nclient_address_header = \"x-forwarded-host\"", "`gateway.client_address_header`"),
            ("[gateway]\ntrusted_hops = 1\ntrusted_proxies = []", "`gateway.trusted_hops` must be left out"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(named), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
        let message = parse("log_format = \"json\"\nlistem = 1\n").unwrap_err();
        assert!(message.contains("is wrong: line 2, `listem = 1`: unknown field `listem`"), "{message}");
        assert!(parse("").is_ok());
    }
}
