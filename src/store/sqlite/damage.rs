//! Damage in words that help: which part of the file, what is lost with it, and what to do next. SQLite's own words go along,
//! for a reader who looks them up.

/// What to do about a database that is damaged.
const NEXT: &str = "stop Keyward, keep a copy of the files, and run `keyward audit verify --data-dir DIR`, which says what is damaged; then \
                    restore the newest backup, and issue, change and revoke again what was since it was made";

/// A failure of SQLite that means damage.
pub(super) fn of_failure(error: &str) -> String {
    if error.contains("not a database") {
        return format!(
            "the file is no database any more, its beginning was overwritten (SQLite: {error}): {NEXT}"
        );
    }
    format!("pages of the database file are damaged (SQLite: {error}): {NEXT}")
}

/// Why a database could not be opened, as SQLite says it, with what it means where that can be told.
pub(super) fn of_opening(error: String) -> String {
    if error.contains("not a database") || error.contains("malformed") {
        return of_failure(&error);
    }
    if error.contains("disk I/O error") {
        return format!(
            "the disk could not be read or written (SQLite: {error}); the system's log says more"
        );
    }
    error
}

/// A record of the log that is not as it was written.
pub(super) fn of_log(what: &str) -> String {
    format!("{what}, so that nobody can tell what was changed by it, or after it: {NEXT}")
}

/// What SQLite's check of a table found first, and what is lost with it.
pub(super) fn of_table(table: &str, found: &str) -> String {
    let details = || found.lines().filter(|line| !line.starts_with("***"));
    let detail = details().next().unwrap_or(found);
    let more = details().count().saturating_sub(1);
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    let place = match page(detail) {
        Some(page) => {
            format!("page {page} of the database file, in the table `{table}` or an index of it, is damaged")
        }
        None => format!("the table `{table}` and an index of it do not agree"),
    };
    format!("{place} (SQLite: {detail}{more}): {}; {NEXT}", lost(table))
}

/// The number of the page that a line is about.
fn page(detail: &str) -> Option<&str> {
    let (_, rest) = detail.split_once("page ").or_else(|| detail.split_once("Page "))?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end).filter(|number| !number.is_empty())
}

/// What of Keyward stands in a table.
fn lost(table: &str) -> &'static str {
    match table {
        "log" => "entries of the log may be lost",
        "keys" | "secrets" => "keys whose rows stood there are denied, and must be issued again",
        "workspaces" => "keys of workspaces that stood there are denied",
        "members" => "members that stood there count as removed",
        "policies" => "the policy may have to be applied again",
        "schemes" => "keys that were imported by a scheme that stood there are denied",
        "requests" => "request ids that stood there may be carried out twice",
        "people" => "names of people in the log may be lost, and the rights of members who are named there",
        "grouped_keys" | "group_changes" => "which keys were changed together may be lost",
        "hashes" => "no right: a change that needs one of its rows may be refused",
        "blocks" => "what was used of limits may be lost, and usage and last uses",
        "removed_members" | "distrusted" | "sum" => "no right, and the next start reads the whole log",
        "secret_uses" | "scope_uses" => "last uses may be lost, and no right with them",
        "usage" => "usage may be lost, and no right with it",
        _ => "what the store notes of itself may be lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlite_says_becomes_a_place_a_loss_and_a_step() {
        // D5, M4
        for (found, place) in [
            ("*** in database main ***\nTree 6 page 12: btreeInitPage() returns error code 11", "page 12 of"),
            (
                "*** in database main ***\nTree 6 page 31 cell 2: Rowid 5 out of order\nTree 6 page 4: x",
                "page 31 of",
            ),
            ("*** in database main ***\nPage 7: never used", "page 7 of"),
            ("row 5 missing from index keys_by_owner", "the table `keys` and an index of it do not agree"),
            ("database disk image is malformed", "the table `keys` and an index"),
        ] {
            let told = of_table("keys", found);
            for part in [place, "must be issued again", "keyward audit verify", "restore"] {
                assert!(told.contains(part), "{part}: {told}");
            }
            assert!(!told.contains("***") && !told.contains('\n'), "{told}");
        }
        assert!(of_table("usage", "Page 7: never used\nPage 8: never used").contains("and 1 more"));
        assert!(of_opening("file is not a database".to_owned()).contains("overwritten"));
        assert_eq!(of_opening("permission denied".to_owned()), "permission denied");
    }
}
