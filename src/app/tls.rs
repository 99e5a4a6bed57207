//! The certificate while it is served: looked at anew, and told of before it ends.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    domain::time::{Clock, Timestamp},
    server::tls::{CertificateSummary, Tls},
    shutdown::HangUps,
};

/// How often the files are looked at: platforms swap the links to mounted secrets, which tells nobody.
const LOOKS: Duration = Duration::from_secs(10);
/// How long before its end a certificate is told of: most are renewed much earlier.
const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How far a certificate is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nearness {
    Far,
    Soon,
    Expired,
}

impl Nearness {
    fn of(good_until: Timestamp, now: Timestamp) -> Self {
        if now >= good_until {
            Self::Expired
        } else if good_until.saturating_since(now) <= SOON {
            Self::Soon
        } else {
            Self::Far
        }
    }

    fn tell(self, CertificateSummary { subject, good_until }: &CertificateSummary) {
        match self {
            Self::Far => {}
            Self::Soon => {
                tracing::warn!(%subject, %good_until, "the certificate in force ends soon, and there is no newer one");
            }
            Self::Expired => {
                tracing::error!(%subject, %good_until, "the certificate in force has expired: clients refuse it");
            }
        }
    }
}

/// Looks at the files every ten seconds and whenever `asked`, for as long as the process serves.
pub(super) async fn tend(tls: Option<Arc<Tls>>, clock: &dyn Clock, mut asked: HangUps) -> Infallible {
    let Some(tls) = tls else { return nothing_to_read(asked).await };
    let mut looks = interval(LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    let mut refused = String::new();
    loop {
        let was_asked = tokio::select! {
            _ = looks.tick() => false,
            () = asked.next() => true,
        };
        let (looking, now) = (Arc::clone(&tls), clock.wall());
        let Ok(looked) = tokio::task::spawn_blocking(move || looking.look(now)).await else { continue };
        match looked {
            Ok(Some(CertificateSummary { subject, good_until })) => {
                tracing::info!(%subject, %good_until, "a new certificate is in force; connections keep the one they began with");
                refused.clear();
            }
            Ok(None) => {
                if was_asked {
                    tracing::info!("the certificate has not changed");
                }
                refused.clear();
            }
            Err(why) => {
                let why = why.to_string();
                if why != refused {
                    tracing::error!(error = %why, "the new certificate is refused; the one in force stays");
                } else if was_asked {
                    tracing::error!(error = %why, "the new certificate is still refused");
                }
                refused = why;
            }
        }
        let summary = tls.summary();
        let nearness = Nearness::of(summary.good_until, now);
        if told.as_ref() != Some(&(nearness, summary.good_until)) {
            nearness.tell(&summary);
            told = Some((nearness, summary.good_until));
        }
    }
}

async fn nothing_to_read(mut asked: HangUps) -> Infallible {
    loop {
        asked.next().await;
        tracing::warn!("SIGHUP: there is no certificate to read anew");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_told_of_a_week_before_its_end() {
        let end = Timestamp::from_ms(1_767_225_600_000).unwrap();
        let before = |ms: i64| Nearness::of(end, Timestamp::from_ms(end.as_ms() - ms).unwrap());
        let week = i64::try_from(SOON.as_millis()).unwrap();
        assert_eq!(
            [before(week + 1), before(week), before(1)],
            [Nearness::Far, Nearness::Soon, Nearness::Soon]
        );
        assert_eq!([before(0), before(-1)], [Nearness::Expired, Nearness::Expired]);
    }
}
