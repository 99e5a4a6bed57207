//! Environments: `live`, `test` and others, each with the prefix that its keys begin with (K4).

use super::{parse::ParseError, secret::Prefix, text::EnvironmentName};

/// One environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// What its keys begin with.
    pub prefix: Prefix,
    /// What becomes of its keys when a browser sends them.
    pub browsers: BrowserRule,
}

/// What becomes of a key when a browser sends it (H8): a secret that a page holds is everybody's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BrowserRule {
    /// Nothing.
    Allow,
    /// It is logged.
    #[default]
    Log,
    /// It is denied.
    Deny,
}

impl BrowserRule {
    /// Reads a rule; empty is the default.
    ///
    /// # Errors
    /// Anything but `allow`, `log` and `deny`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        match text {
            "" => Ok(Self::default()),
            "allow" => Ok(Self::Allow),
            "log" => Ok(Self::Log),
            "deny" => Ok(Self::Deny),
            _ => Err(ParseError::new("`allow`, `log` or `deny`")),
        }
    }
}

/// Every environment there is: one or more for holders' keys, and the one that administration keys live in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environments {
    holders: Vec<Environment>,
    admin: Environment,
}

/// The name of the environment of administration keys, and of no other.
pub const ADMIN: &str = "admin";

impl Environments {
    /// The environments for holders' keys, the first of them the one that Issue takes unless told, and the prefix of
    /// administration keys.
    ///
    /// # Errors
    /// None for holders, a name or prefix that stands twice, or one named `admin`.
    pub fn new(holders: Vec<Environment>, admin_prefix: Prefix) -> Result<Self, ParseError> {
        if holders.is_empty() || holders.len() > 16 {
            return Err(ParseError::new("1 to 16 environments"));
        }
        let browsers = BrowserRule::Deny;
        let admin = Environment { name: EnvironmentName::parse(ADMIN)?, prefix: admin_prefix, browsers };
        let all: Vec<_> = holders.iter().chain([&admin]).collect();
        let twice = all.iter().enumerate().any(|(place, one)| {
            all.iter().skip(place + 1).any(|other| one.name == other.name || one.prefix == other.prefix)
        });
        if twice {
            return Err(ParseError::new(
                "environments with names and prefixes of their own, none named `admin`",
            ));
        }
        Ok(Self { holders, admin })
    }

    /// The environment that holders' keys are issued in unless another is asked for.
    #[must_use]
    pub fn first(&self) -> &Environment {
        self.holders.first().unwrap_or(&self.admin)
    }

    /// The environments of holders' keys, as they were configured.
    #[must_use]
    pub fn holders(&self) -> &[Environment] {
        &self.holders
    }

    /// The environment of administration keys.
    #[must_use]
    pub const fn admin(&self) -> &Environment {
        &self.admin
    }

    /// A holders' environment by its name.
    ///
    /// # Errors
    /// There is none; the error names those there are.
    pub fn holder(&self, name: &str) -> Result<&Environment, ParseError> {
        self.holders.iter().find(|known| known.name.as_str() == name).ok_or_else(|| {
            let names: Vec<_> = self.holders.iter().map(|known| format!("`{}`", known.name)).collect();
            ParseError::owned(format!("one of {}", names.join(", ")))
        })
    }

    /// What becomes of keys of this environment when a browser sends them; one that is not configured any more is
    /// logged.
    #[must_use]
    pub fn browsers(&self, name: &EnvironmentName) -> BrowserRule {
        let known = self.holders.iter().find(|known| known.name == *name);
        known.map_or_else(BrowserRule::default, |known| known.browsers)
    }

    /// Whether `text` begins as a key of ours does.
    #[must_use]
    pub fn begins_like_ours(&self, text: &str) -> bool {
        self.holders.iter().chain([&self.admin]).any(|known| text.starts_with(known.prefix.as_str()))
    }
}

impl Default for Environments {
    /// `live` with `kw_live_`, `test` with `kw_test_`, and `kw_admin_` for administration.
    fn default() -> Self {
        let environment = |name: &str, prefix: &str| Environment {
            name: EnvironmentName::literal(name),
            prefix: Prefix::literal(prefix),
            browsers: BrowserRule::default(),
        };
        Self {
            holders: vec![environment("live", "kw_live_"), environment("test", "kw_test_")],
            admin: environment(ADMIN, "kw_admin_"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_have_names_and_prefixes_of_their_own() {
        // K4
        let environment = |name: &str, prefix: &str| Environment {
            name: EnvironmentName::parse(name).unwrap(),
            prefix: Prefix::parse(prefix).unwrap(),
            browsers: BrowserRule::default(),
        };
        let admin = || Prefix::parse("pxk_admin_").unwrap();
        let three = vec![
            environment("live", "pxk_live_"),
            environment("test", "pxk_test_"),
            environment("dev", "pxk_dev_"),
        ];
        assert!(Environments::new(three, admin()).is_ok());
        for bad in [
            vec![],
            vec![environment("live", "a_"), environment("live", "b_")],
            vec![environment("live", "a_"), environment("test", "a_")],
            vec![environment("live", "pxk_admin_")],
            vec![environment("admin", "a_")],
        ] {
            assert!(Environments::new(bad, admin()).is_err());
        }
        for bad in ["", "_", "a", "A_", "1_", "a-_", "kw_live", "aaaaaaaaaaaaaaaaaaaaaaaa_"] {
            assert!(Prefix::parse(bad).is_err(), "{bad}");
        }
    }
}
