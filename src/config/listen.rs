//! The addresses to listen on, as flags and variables give them.

use std::net::SocketAddr;

/// Reads an address and a port. A host name is refused: which of its addresses is listened on, and whether that is
/// loopback, would be decided by whoever answers for names at each start.
///
/// # Errors
/// It is something else.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_no_address| {
        let host = text.rsplit_once(':').map_or(text, |(host, _port)| host);
        let is_name = host.chars().any(|letter| letter.is_ascii_alphabetic()) && !host.contains(':');
        if is_name {
            format!(
                "{host} is a host name, and names are not resolved here: write the address, such as 127.0.0.1 for localhost, or 0.0.0.0 \
                 for all"
            )
        } else {
            "write an address and a port, such as 127.0.0.1:50051 or [::1]:50051".to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_refused_with_what_to_write() {
        // O1
        for text in ["127.0.0.1:0", "[::1]:50051", "0.0.0.0:80"] {
            assert_eq!(address(text).map(|address| address.to_string()).as_deref(), Ok(text));
        }
        for (text, said) in [
            ("localhost:50051", "localhost is a host name"),
            ("keyward.example:1", "write the address"),
            ("localhost", "is a host name"),
            ("127.0.0.1", "an address and a port"),
            ("127.0.0.1:99999", "an address and a port"),
            ("::1", "[::1]:50051"),
            ("", "an address and a port"),
        ] {
            let why = address(text).unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
    }
}
