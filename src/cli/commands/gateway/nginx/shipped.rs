//! What the shipped files say: the one source of what must be in effect.

use super::tree::{Directive, of_text};

const ASK: &str = include_str!("../../../../../examples/nginx/keyward-ask.conf");
const PROXY: &str = include_str!("../../../../../examples/nginx/keyward-proxy.conf");
const GRPC: &str = include_str!("../../../../../examples/nginx/keyward-grpc.conf");
const CLIENT: &str = include_str!("../../../../../examples/nginx/keyward-client.conf");

/// A shipped file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shipped {
    Ask,
    Proxy,
    Grpc,
    Client,
}

impl Shipped {
    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::Ask => "keyward-ask.conf",
            Self::Proxy => "keyward-proxy.conf",
            Self::Grpc => "keyward-grpc.conf",
            Self::Client => "keyward-client.conf",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Ask => ASK,
            Self::Proxy => PROXY,
            Self::Grpc => GRPC,
            Self::Client => CLIENT,
        }
    }

    /// The directive by which it says what a service gets.
    pub(super) const fn set_header(self) -> &'static str {
        match self {
            Self::Grpc => "grpc_set_header",
            Self::Ask | Self::Proxy | Self::Client => "proxy_set_header",
        }
    }

    /// Its directives of this name. A test reads each file.
    pub(super) fn directives(self, name: &str) -> Vec<Directive> {
        let all = of_text(self.text()).unwrap_or_default();
        all.into_iter().filter(|directive| directive.name == name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shipped_file_says_something_of_each_kind() {
        for (shipped, name, count) in [
            (Shipped::Ask, "auth_request", 1),
            (Shipped::Ask, "auth_request_set", 20),
            (Shipped::Ask, "error_page", 2),
            (Shipped::Proxy, "proxy_set_header", 21),
            (Shipped::Grpc, "grpc_set_header", 18),
            (Shipped::Client, "add_header", 12),
            (Shipped::Client, "proxy_hide_header", 9),
            (Shipped::Client, "grpc_hide_header", 9),
        ] {
            assert_eq!(shipped.directives(name).len(), count, "{name}");
        }
    }
}
