//! The files of an example between other programs than the example's, and with what a test changes.

use std::net::SocketAddr;

use crate::{
    balancer::BALANCERS,
    gateway::{CADDY, ENVOY, Gateway, NGINX, TRAEFIK},
};

/// What stands behind a gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behind {
    pub(crate) grpc: SocketAddr,
    pub(crate) verify: SocketAddr,
    pub(crate) service: SocketAddr,
}

/// What a test changes in an example.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// Nobody of use stands where Keyward should: its time is as short as the example says, not as long as a debug build on
    /// a busy machine may need.
    pub(crate) without_keyward: bool,
    /// What is changed may leave requests to Keyward unasked, or unanswered: it is ready when it answers at all.
    pub(crate) ready_when_open: bool,
    /// Settings that are added to the question of the route that needs this scope: their names and values.
    pub(crate) settings: Vec<(&'static str, &'static str, String)>,
    /// What stands once in the files of one gateway, and what is to stand there; they are given to that gateway alone.
    pub(crate) replaced: Vec<(String, String)>,
    /// Where the gRPC service listens, if there is one.
    pub(crate) rpc_port: u16,
    /// The key by which the gateway says who it is, as beyond loopback; empty is none.
    pub(crate) caller: String,
    /// How many balancers stand in front.
    pub(crate) balancers: u8,
    /// nginx writes whom it believes into a header of its own too.
    pub(crate) seen_from: bool,
}

/// Names of files, and their texts.
pub(crate) type Files = Vec<(&'static str, String)>;

impl Gateway {
    /// Its files, with nothing changed but the ports and what is asked for.
    pub(crate) fn between(&self, behind: Behind, ports: [u16; 2], changes: &Changes) -> Files {
        let mut files: Files = self.files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        // Ports in what is new are those of the example, too.
        for (old, new) in &changes.replaced {
            self.replace(&mut files, old, new);
        }
        for (_, text) in &mut files {
            *text = with_ports(text, behind, changes.rpc_port, ports);
            if !changes.without_keyward {
                for short in ["250ms", "500ms", "0.25s", "0.5s"] {
                    *text = text.replace(short, "60s");
                }
            }
        }
        for (scope, name, value) in &changes.settings {
            let (before, setting) = if self.is_envoy() {
                (format!("{{ scopes: {scope}"), format!(", {name}: {value}"))
            } else {
                (format!("scopes={scope}"), format!("&{name}={value}"))
            };
            self.replace(&mut files, &before, &format!("{before}{setting}"));
        }
        if !changes.caller.is_empty() {
            self.say_who_it_is(&mut files, &changes.caller);
        }
        if changes.balancers > 0 {
            self.stand_behind(&mut files, changes.balancers);
        }
        if changes.seen_from {
            let line = "    proxy_set_header x-forwarded-uri $request_uri;\n";
            let seen = "    proxy_set_header x-seen-from $remote_addr;\n";
            self.replace(&mut files, line, &format!("{line}{seen}"));
        }
        files
    }

    /// As its README says.
    fn say_who_it_is(&self, files: &mut Files, caller: &str) {
        if self.name == ENVOY.name {
            let cluster = "envoy_grpc: { cluster_name: keyward }";
            let metadata =
                format!("initial_metadata: [{{ key: authorization, value: \"Bearer {caller}\" }}]");
            self.replace(files, cluster, &format!("{cluster}\n                        {metadata}"));
        } else if self.name == NGINX.name {
            let name = "    proxy_set_header x-keyward-caller ";
            self.replace(files, &format!("{name}\"\";"), &format!("{name}\"Bearer {caller}\";"));
        } else if self.name == CADDY.name {
            self.replace(files, "# Where Keyward listens beyond loopback: header_up", "header_up");
            self.replace(files, "file./etc/caddy/keyward-caller", "file../keyward-caller");
            files.push(("keyward-caller", caller.to_owned()));
        } else if self.name == TRAEFIK.name {
            self.replace(files, "Sec-Fetch-User]", "Sec-Fetch-User, X-Keyward-Caller]");
            let block = format!(
                "    caller:\n      headers:\n        customRequestHeaders: {{ X-Keyward-Caller: Bearer {caller} }}\n"
            );
            self.replace(files, "\n    ask:\n", &format!("\n{block}    ask:\n"));
            for (_, text) in files {
                *text = text.replace("middlewares: [ask", "middlewares: [caller, ask");
            }
        }
    }

    /// As its README says.
    fn stand_behind(&self, files: &mut Files, balancers: u8) {
        let [inner, outer] = BALANCERS;
        let (old, new) = if self.name == ENVOY.name {
            let hops = |hops| format!("xff_num_trusted_hops: {hops}");
            (hops(0), hops(balancers))
        } else if self.name == NGINX.name {
            let lines = format!("set_real_ip_from {inner}; set_real_ip_from {outer};");
            ("# set_real_ip_from 192.0.2.0/24;".to_owned(), lines)
        } else if self.name == CADDY.name {
            let line = format!("trusted_proxies static {inner} {outer}");
            ("# trusted_proxies static 192.0.2.0/24".to_owned(), line)
        } else {
            let line = format!("trustedIPs: [{inner}, {outer}]");
            ("# trustedIPs: [192.0.2.0/24]".to_owned(), line)
        };
        self.replace(files, &old, &new);
    }

    /// Replaces what stands in its files once.
    fn replace(&self, files: &mut Files, old: &str, new: &str) {
        let found: usize = files.iter().map(|(_, text)| text.matches(old).count()).sum();
        assert_eq!(found, 1, "{} does not have it once: {old}", self.name);
        for (_, text) in files {
            *text = text.replace(old, new);
        }
    }
}

fn with_ports(text: &str, behind: Behind, rpc_port: u16, [gateway, admin]: [u16; 2]) -> String {
    let ports = [
        ("10000", gateway),
        ("9901", admin),
        ("50051", behind.grpc.port()),
        ("8080", behind.verify.port()),
        ("8000", behind.service.port()),
        ("8001", rpc_port.max(1)),
    ];
    let mut text = text.to_owned();
    // First to what no port looks like, so that no new port is taken for an old one.
    for (place, (old, _)) in ports.iter().enumerate() {
        text = text.replace(old, &format!("<{place}>"));
    }
    for (place, (_, new)) in ports.iter().enumerate() {
        text = text.replace(&format!("<{place}>"), &new.to_string());
    }
    text
}
