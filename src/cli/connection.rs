//! How a client command reaches its server, and as which caller.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri},
};
use zeroize::Zeroizing;

use super::{
    credential::{self, Credential},
    failure::Failure,
    input::parse,
    output::explanation::root_cause,
};
use crate::domain::secret::HeldSecret;

/// Above the flags that every client command has.
pub(super) const HEADING: &str = "Server and output";

/// Where the server is, and who asks.
#[derive(Args, Debug)]
#[command(next_help_heading = HEADING)]
pub(super) struct ConnectionArgs {
    /// The server
    #[arg(
        long,
        help = "The server: https://HOST:PORT, http://HOST:PORT, or unix:///PATH",
        value_name = "URL",
        env = "KEYWARD_SERVER",
        default_value = "http://127.0.0.1:50051"
    )]
    server: String,
    /// A file that holds the administration key. Without it the key is taken from the variable `KEYWARD_ADMIN_KEY`
    #[arg(long, value_name = "FILE", env = "KEYWARD_ADMIN_KEY_FILE")]
    admin_key_file: Option<PathBuf>,
    /// The certificates, in PEM, of those whose word on the server's certificate is trusted [default: the system's]
    #[arg(long, value_name = "FILE", env = "KEYWARD_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// The certificate, in PEM, that is shown to a server that asks its clients for one. Needs --client-key
    #[arg(long, value_name = "FILE", env = "KEYWARD_CLIENT_CERT", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM, unencrypted
    #[arg(long, value_name = "FILE", env = "KEYWARD_CLIENT_KEY", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// How long to wait for the connection, and again for each answer
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse::timeout)]
    timeout: Duration,
}

/// A channel whose calls carry the caller and a deadline.
pub(super) type CallerChannel = InterceptedService<Channel, CallerHeaders>;

/// Adds the caller and the deadline to each call.
#[derive(Clone)]
pub(super) struct CallerHeaders {
    authorization: Option<MetadataValue<Ascii>>,
    timeout: Duration,
}

impl ConnectionArgs {
    /// The server, for messages.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Connects with the administration key, if one is configured.
    ///
    /// A file that was named goes before the key that the environment holds.
    pub(super) async fn connect(
        &self,
        from_environment: Option<&HeldSecret>,
    ) -> Result<CallerChannel, Failure> {
        let authorization = match &self.admin_key_file {
            Some(path) => Some(Credential::from_file(path)?.authorization()?),
            None => from_environment.map(credential::authorization).transpose()?,
        };
        self.open(authorization).await
    }

    /// Connects without an administration key, and without looking for one.
    pub(super) async fn connect_as_nobody(&self) -> Result<CallerChannel, Failure> {
        self.open(None).await
    }

    /// Whether a key sent to this server crosses a network that others may read.
    pub(super) fn is_exposed(&self) -> bool {
        let host = self.server.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        let is_local = |host: String| {
            let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
            host == "localhost" || address.is_ok_and(|address| address.is_loopback())
        };
        let is_encrypted = self.server.starts_with("https://");
        !is_encrypted && !self.server.starts_with("unix:") && !host.is_some_and(is_local)
    }

    async fn open(&self, authorization: Option<MetadataValue<Ascii>>) -> Result<CallerChannel, Failure> {
        let channel = self.endpoint()?.connect().await.map_err(|error| Failure::Unreachable {
            server: self.server.clone(),
            cause: root_cause(&error),
        })?;
        Ok(InterceptedService::new(channel, CallerHeaders { authorization, timeout: self.timeout }))
    }

    fn endpoint(&self) -> Result<Endpoint, Failure> {
        if !["https://", "http://", "unix:"].iter().any(|scheme| self.server.starts_with(scheme)) {
            let hint = "write https://HOST:PORT, http://HOST:PORT or unix:///PATH";
            return Err(Failure::input(format!("cannot use {} as a server: {hint}", self.server)));
        }
        let endpoint = Endpoint::from_shared(self.server.clone()).map_err(|error| {
            Failure::input(format!("cannot use {} as a server: {}", self.server, root_cause(&error)))
        })?;
        let endpoint = endpoint.connect_timeout(self.timeout);
        if !self.server.starts_with("https://") {
            return Ok(endpoint);
        }
        let trusting = match &self.ca_file {
            None => ClientTlsConfig::new().with_native_roots(),
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
        };
        let speaking = match self.client_cert.as_ref().zip(self.client_key.as_ref()) {
            None => trusting,
            Some((certificate, key)) => {
                let key = Zeroizing::new(read(key)?);
                trusting.identity(Identity::from_pem(read(certificate)?, &*key))
            }
        };
        endpoint.tls_config(speaking).map_err(|error| {
            Failure::input(format!("cannot speak TLS with {}: {}", self.server, root_cause(&error)))
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::input(format!("cannot read {}: {error}", path.display())))
}

impl Interceptor for CallerHeaders {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request.set_timeout(self.timeout);
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(server: &str) -> ConnectionArgs {
        let timeout = Duration::from_secs(1);
        ConnectionArgs {
            server: server.to_owned(),
            admin_key_file: None,
            ca_file: None,
            client_cert: None,
            client_key: None,
            timeout,
        }
    }

    #[test]
    fn only_loopback_and_unix_sockets_keep_a_key_on_the_machine() {
        for (server, exposed) in [
            ("http://127.0.0.1:50051", false),
            ("http://localhost:50051", false),
            ("http://[::1]:50051", false),
            ("unix:///run/keyward.sock", false),
            ("https://10.0.0.1:50051", false),
            ("http://10.0.0.1:50051", true),
            ("http://localhost.example:50051", true),
            ("http://127.0.0.1.example:50051", true),
        ] {
            assert_eq!(at(server).is_exposed(), exposed, "{server}");
        }
    }

    #[test]
    fn other_schemes_are_refused_before_anything_is_sent() {
        for (server, usable) in [
            ("http://127.0.0.1:50051", true),
            ("https://127.0.0.1:50051", true),
            ("ftp://127.0.0.1:50051", false),
            ("127.0.0.1:50051", false),
            ("http://", false),
        ] {
            assert_eq!(at(server).endpoint().is_ok(), usable, "{server}");
        }
    }
}
