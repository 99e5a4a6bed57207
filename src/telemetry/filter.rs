//! What is logged, as an operator writes it: refused where it would silence what was not meant (M5).

use tracing_subscriber::EnvFilter;

/// From the least to the most; numbers, which the filter's library takes too, say nothing to a reader.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Who logs: Keyward, and the libraries that it is made of.
const TARGETS: [&str; 5] = ["keyward", "h2", "hyper_util", "tonic", "tower"];

/// Why a filter is refused; it says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(String);

/// Reads `level` or `target=level`, several with commas between.
///
/// A bare word would be a target whose everything is logged, and all else silenced, errors too: it is refused unless it is
/// a level.
///
/// # Errors
/// A word that is no level, an unknown target, a space, nothing between two commas.
pub(super) fn parse(text: &str) -> Result<EnvFilter, FilterError> {
    text.split(',').try_for_each(check)?;
    EnvFilter::builder().parse(text).map_err(|why| FilterError(why.to_string()))
}

fn check(directive: &str) -> Result<(), FilterError> {
    let refused = |why: String| Err(FilterError(format!("`{}` {why}", directive.escape_debug())));
    if directive.is_empty() {
        return refused("is empty".to_owned());
    }
    if directive.contains(char::is_whitespace) {
        return refused("has a space in it: commas stand between, without spaces".to_owned());
    }
    let (target, level) = match directive.rsplit_once('=') {
        Some((target, level)) => (Some(target), level),
        None => (None, directive),
    };
    if !LEVELS.contains(&level) {
        let (near, what) = (nearest(level, &LEVELS), "is no level");
        return refused(if target.is_some() {
            format!("ends in `{level}`, which {what}{near}")
        } else {
            what.to_owned() + &near
        });
    }
    match target.map(|target| target.split("::").next().unwrap_or(target)) {
        Some(target) if !TARGETS.contains(&target) => refused(format!(
            "begins with `{}`, and nobody of that name logs{}",
            target.escape_debug(),
            nearest(target, &TARGETS)
        )),
        _ => Ok(()),
    }
}

/// `; did you mean …?`, where one of these is near enough, else all of them.
fn nearest(word: &str, known: &[&str]) -> String {
    let near = known.iter().map(|known| (strsim::jaro_winkler(word, known), known));
    match near.max_by(|(one, _), (other, _)| one.total_cmp(other)) {
        Some((likeness, known)) if likeness > 0.7 => format!("; did you mean `{known}`?"),
        _ => format!("; it must be one of {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_targets_are_taken() {
        // M5
        for good in ["info", "off", "info,keyward::grpc=debug", "warn,h2=off", "keyward=trace"] {
            assert!(parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_would_silence_everything_is_refused_with_the_nearest_right_word() {
        // M5
        for (bad, why) in [
            ("warning", "did you mean `warn`?"),
            ("inof", "did you mean `info`?"),
            ("INFO", "is no level"),
            ("debug=1", "is no level"),
            ("keyward", "is no level"),
            ("keyward=verbose", "ends in `verbose`"),
            ("debug=info", "nobody of that name logs"),
            ("keywrad=debug", "did you mean `keyward`?"),
            ("info keyward=debug", "has a space"),
            ("info, keyward=debug", "has a space"),
            ("", "is empty"),
            ("info,,h2=off", "is empty"),
            ("keyward[request{id=1}]=info", "nobody of that name logs"),
        ] {
            let said = parse(bad).map(drop).unwrap_err().to_string();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }
}
