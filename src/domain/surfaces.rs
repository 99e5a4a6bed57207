//! What a listener of plain HTTP offers: named surfaces, each on or off.

use std::{fmt, str::FromStr};

use super::parse::ParseError;

/// A part of what is served over plain HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// `/livez` and `/readyz`.
    Probes,
    /// `/metrics`.
    Metrics,
    /// `/verify`, which gateways ask.
    Verify,
    /// `/v1/check`, and `/openapi.json`, which describes it.
    Check,
}

impl Surface {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::Probes, Self::Metrics, Self::Verify, Self::Check];

    /// Its name in settings and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Probes => "probes",
            Self::Metrics => "metrics",
            Self::Verify => "verify",
            Self::Check => "check",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Probes => 1,
            Self::Metrics => 2,
            Self::Verify => 4,
            Self::Check => 8,
        }
    }
}

/// The surfaces that are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surfaces(u8);

impl Surfaces {
    /// Every one.
    pub const ALL: Self = Self::of(&Surface::ALL);
    /// Those that show no key and take none: they may be served in clear text.
    pub const WATCHING: Self = Self::of(&[Surface::Probes, Surface::Metrics]);
    /// Those that are on beyond loopback unless others are named: metrics tell how much is asked of whom.
    pub const BEYOND_LOOPBACK: Self = Self::of(&[Surface::Probes, Surface::Verify]);

    /// Exactly these.
    #[must_use]
    pub const fn of(surfaces: &[Surface]) -> Self {
        let (mut bits, mut rest) = (0, surfaces);
        while let [surface, others @ ..] = rest {
            bits |= surface.bit();
            rest = others;
        }
        Self(bits)
    }

    /// Those of a listener for which none are named.
    #[must_use]
    pub const fn unless_told(is_loopback: bool) -> Self {
        if is_loopback { Self::ALL } else { Self::BEYOND_LOOPBACK }
    }

    /// Whether this one is on.
    #[must_use]
    pub const fn has(self, surface: Surface) -> bool {
        self.0 & surface.bit() != 0
    }

    /// Whether nothing is on that shows or takes a key.
    #[must_use]
    pub const fn only_watch(self) -> bool {
        self.0 & !Self::WATCHING.0 == 0
    }
}

impl fmt::Display for Surfaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for surface in Surface::ALL.into_iter().filter(|surface| self.has(*surface)) {
            write!(f, "{between}{}", surface.name())?;
            between = ", ";
        }
        Ok(())
    }
}

impl FromStr for Surfaces {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = || ParseError::new("surfaces with commas between them: probes, metrics, verify, check");
        let named = text.split(',').map(|name| {
            let name = name.trim();
            Surface::ALL.into_iter().find(|surface| surface.name() == name).ok_or_else(wrong)
        });
        let named = named.collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of(&named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_named_and_none_is_guessed() {
        // O1
        let named = |text: &str| text.parse::<Surfaces>().map(|surfaces| surfaces.to_string());
        assert_eq!(named("check, probes").as_deref(), Ok("probes, check"));
        assert_eq!(named("metrics,metrics").as_deref(), Ok("metrics"));
        for wrong in ["", "all", "probes,", "Check", "probes verify", "admin"] {
            assert!(
                named(wrong).unwrap_err().to_string().contains("probes, metrics, verify, check"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn beyond_loopback_no_more_is_on_than_probes_and_verify() {
        // O1
        assert_eq!(Surfaces::unless_told(false).to_string(), "probes, verify");
        assert_eq!(Surfaces::unless_told(true).to_string(), "probes, metrics, verify, check");
        assert!(Surfaces::WATCHING.only_watch() && Surfaces::of(&[Surface::Metrics]).only_watch());
        assert!(!Surfaces::of(&[Surface::Probes, Surface::Verify]).only_watch());
        assert!(!Surfaces::ALL.only_watch());
    }
}
