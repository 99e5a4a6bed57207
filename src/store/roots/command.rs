//! Roots that a program hands out: it is run without a shell, has a minute, and what it writes is read once.

use std::{
    io,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use zeroize::Zeroizing;

use super::{bounded::bounded, error::RootsError};

/// How long the program may take: long enough for somebody to touch a token.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the command writes on its standard output. What it writes on standard error is for the operator, and goes there.
pub(super) fn output(line: &str) -> Result<Zeroizing<String>, RootsError> {
    within(line, DEADLINE)
}

fn within(line: &str, deadline: Duration) -> Result<Zeroizing<String>, RootsError> {
    let words = shlex::split(line).filter(|words| !words.is_empty());
    let mut words = words.ok_or_else(|| no("quotes are open, or it is empty".to_owned()))?.into_iter();
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(&program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().map_err(|error| no(format!("{program} cannot be started: {error}")))?;
    let read = read_within(&mut child, deadline);
    if read.is_err() {
        // It may have ended already.
        let _killed = child.kill();
    }
    let status = child.wait().map_err(|error| no(error.to_string()))?;
    let text = read?;
    if status.success() { Ok(text) } else { Err(no(format!("{program} failed: {status}"))) }
}

fn read_within(child: &mut Child, deadline: Duration) -> Result<Zeroizing<String>, RootsError> {
    let mut out = child.stdout.take().ok_or_else(|| no("it has no standard output".to_owned()))?;
    let (read, heard) = mpsc::sync_channel(1);
    let reader = thread::Builder::new().name("roots".to_owned()).spawn(move || {
        // Nobody hears it after the deadline.
        let _late = read.send(bounded(&mut out));
    });
    reader.map_err(|error| no(error.to_string()))?;
    match heard.recv_timeout(deadline) {
        Ok(text) => text.map_err(|error: io::Error| no(format!("what it wrote cannot be read: {error}"))),
        Err(_) => Err(no(format!("it took longer than {} s", deadline.as_secs_f32()))),
    }
}

fn no(why: String) -> RootsError {
    RootsError::NoCommand(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_as_a_shell_would_and_run_without_one() {
        let said = output("printf '%s|%s|%s' \"a b\" '$HOME' c;d").unwrap();
        assert_eq!(*said, "a b|$HOME|c;d");
    }

    #[test]
    fn a_command_that_fails_or_does_not_end_gives_no_roots_and_shows_nothing_of_what_it_wrote() {
        for (line, why) in [
            ("", "empty"),
            ("'", "quotes are open"),
            ("/nowhere/keyward-roots", "cannot be started"),
            ("sh -c 'echo 1 5ec4e7; exit 3'", "exit status: 3"),
        ] {
            let refused = output(line).unwrap_err().to_string();
            assert!(refused.contains(why) && !refused.contains("5ec4e7"), "{line}: {refused}");
        }
        let refused = within("sleep 600", Duration::from_millis(10)).unwrap_err().to_string();
        assert!(refused.contains("longer than"), "{refused}");
    }
}
