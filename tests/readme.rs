//! What README.md and docs/first-session.md show is what happens: the `console` blocks of each are run, in order, in one shell.
//!
//! A line that begins with `$ ` is a command; a `\` at its end, or a following line that begins with `> `, continues it.
//! Lines below are what it prints, if the document shows any: `…` stands for any characters of a line, and alone on a line
//! for any lines. Every command must succeed. `keyward` and `cargo run --release --` are the binary built for this test; with
//! `serve` it runs on, in a folder and on ports of its own, until the document ends; the other commands find it there.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::{
    env, fmt, fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

const BINARY: &str = env!("CARGO_BIN_EXE_keyward");
/// Where the documents say that Keyward listens: gRPC and HTTP.
const SHOWN: [&str; 2] = ["127.0.0.1:50051", "127.0.0.1:8080"];
const WILDCARD: char = '…';
/// What the server prints, in the folder that the commands run in.
const SERVER_LOG: &str = "serve.log";
/// For a whole document; whatever hangs is killed then.
const DEADLINE: &str = "120";

#[test]
fn the_readme_does_what_it_shows() {
    does_what_it_shows("README.md", include_str!("../README.md"));
}

#[test]
fn the_first_session_does_what_it_shows() {
    // M4
    does_what_it_shows("docs/first-session.md", include_str!("../docs/first-session.md"));
}

/// Passes if the commands of the document at `name` do what it shows.
fn does_what_it_shows(name: &str, markdown: &str) {
    let steps = steps(markdown).expect(name);
    assert!(!steps.is_empty(), "{name} has no console blocks");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = search_path();
    if let Some(missing) = missing_peer(&steps, &path) {
        let reason = format!("{name} uses {missing}, which is not installed (scripts/tools brings it)");
        assert!(env_is_unset("KEYWARD_REQUIRE_PEERS"), "{reason}");
        return say(&format!("SKIPPED {name}: {reason}"));
    }
    if let Err(failure) = run(&steps, folder.path(), &path) {
        let log = fs::read_to_string(folder.path().join(SERVER_LOG)).unwrap_or_default();
        panic!("{name}:{failure}\nthe server printed:\n{log}");
    }
}

/// Written past the test runner, which would hide it where a test passes.
fn say(message: &str) {
    writeln!(io::stderr(), "{message}").expect("standard error");
}

#[expect(clippy::disallowed_methods, reason = "the switch of scripts/test reaches a test in no other way")]
fn env_is_unset(name: &str) -> bool {
    env::var_os(name).is_none()
}

/// `.tools/bin`, the folder of the built binary, then what the caller has.
#[expect(clippy::disallowed_methods, reason = "the shell of a document inherits the search path")]
fn search_path() -> Vec<PathBuf> {
    let built = Path::new(BINARY).parent().expect("a folder").to_owned();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    let inherited = env::var_os("PATH").unwrap_or_default();
    [tools, built].into_iter().chain(env::split_paths(&inherited)).collect()
}

/// The first program that the document calls, that scripts/tools installs, and that is not there.
fn missing_peer(steps: &[Step], path: &[PathBuf]) -> Option<&'static str> {
    ["grpcurl", "buf"].into_iter().find(|program| {
        let called = steps.iter().any(|step| {
            step.command.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == *program)
        });
        called && !path.iter().any(|folder| folder.join(program).is_file())
    })
}

/// One command of a document and what it prints.
#[derive(Debug, PartialEq)]
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
}

/// What went wrong, and at which line.
#[derive(Debug)]
struct Failure {
    line: usize,
    what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.what)
    }
}

/// The commands of all `console` blocks, in order.
fn steps(markdown: &str) -> Result<Vec<Step>, Failure> {
    let mut found: Vec<Step> = Vec::new();
    let mut fence: Option<(&str, bool)> = None;
    let mut block_is_new = false;
    for (line, text) in (1..).zip(markdown.lines()) {
        let Some((end, is_console)) = fence else {
            fence = opening_fence(text);
            block_is_new = true;
            continue;
        };
        if text.trim() == end {
            fence = None;
        } else if is_console {
            if let Some(command) = text.strip_prefix("$ ") {
                found.push(Step { line, command: command.to_owned(), expected: Vec::new() });
                block_is_new = false;
                continue;
            }
            let step = found.last_mut().filter(|_| !block_is_new);
            let what = "a console block begins with a command, `$ …`".to_owned();
            add_line(step.ok_or(Failure { line, what })?, text);
        }
    }
    for step in &mut found {
        while step.expected.last().is_some_and(|line| line.trim().is_empty()) {
            step.expected.pop();
        }
    }
    match found.iter().find(|step| step.command.contains(WILDCARD)) {
        Some(step) => {
            Err(Failure { line: step.line, what: format!("`{WILDCARD}` in a command: it cannot run") })
        }
        None => Ok(found),
    }
}

/// The fence that will close the block, and whether the block is for us.
fn opening_fence(text: &str) -> Option<(&str, bool)> {
    let text = text.trim();
    let (fence, info) = text.split_at(text.len() - text.trim_start_matches('`').len());
    (fence.len() >= 3).then(|| (fence, info.split_whitespace().next() == Some("console")))
}

/// Adds a line below a command to it: to the command where it continues it, else to what it prints.
fn add_line(step: &mut Step, text: &str) {
    let continued = step.command.ends_with('\\');
    let more = text.strip_prefix("> ").or(continued.then_some(text));
    match more.filter(|_| step.expected.is_empty()) {
        Some(more) => {
            step.command.push('\n');
            step.command.push_str(more);
        }
        None => step.expected.push(text.to_owned()),
    }
}

/// Runs the steps in one shell in `folder`, and stops at the first that fails or prints something else.
fn run(steps: &[Step], folder: &Path, path: &[PathBuf]) -> Result<(), Failure> {
    let ports = SHOWN.map(|shown| (shown, free_address()));
    let here =
        |text: &str| ports.iter().fold(text.to_owned(), |text, (shown, real)| text.replace(shown, real));
    let [(_, grpc), (_, http)] = &ports;
    let mut shell = Shell::start(folder, path, grpc, http);
    for step in steps {
        let expected: Vec<String> = step.expected.iter().map(|line| here(line)).collect();
        shell
            .run(&here(&as_built(&step.command)), &expected)
            .map_err(|what| Failure { line: step.line, what: format!("$ {}\n{what}", step.command) })?;
    }
    Ok(())
}

/// An address that nobody listens on.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

/// The command, with what was built for this test already in the place of what it would build.
fn as_built(command: &str) -> String {
    command.replace("cargo run --release -- ", "keyward ")
}

fn is_server(command: &str) -> bool {
    command.split_whitespace().take(2).eq(["keyward", "serve"])
}

/// A bash that is fed one command at a time. Its end ends the server that it started.
struct Shell {
    child: Child,
    commands: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Printed after each command, with its exit status.
const DONE: &str = "--- keyward step done:";

/// Starts the server in the background, waits until it listens and has no more to say, and shows what it printed.
const SERVE: &str = r#"serve() {
    "$@" >"$SERVER_LOG" 2>&1 </dev/null &
    local server=$! status=0 before=-1 now=0
    until (exec 3<>"/dev/tcp/${KEYWARD_LISTEN%:*}/${KEYWARD_LISTEN##*:}") 2>/dev/null; do
        kill -0 "$server" 2>/dev/null || { wait "$server" || status=$?; cat "$SERVER_LOG"; return "$((status ? status : 1))"; }
        sleep 0.05
    done
    until ((now == before)); do
        before=$now; sleep 0.2; now=$(wc -c <"$SERVER_LOG")
    done
    cat "$SERVER_LOG"
}
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
set -uo pipefail
exec 2>&1
"#;

impl Shell {
    fn start(folder: &Path, path: &[PathBuf], grpc: &str, http: &str) -> Self {
        let mut child = Command::new("timeout")
            .args(["--kill-after=5", DEADLINE, "bash", "--noprofile", "--norc"])
            .current_dir(folder)
            .env("PATH", env::join_paths(path).expect("folders without a colon"))
            .env("HOME", folder)
            .env("SERVER_LOG", folder.join(SERVER_LOG))
            .env("KEYWARD_LISTEN", grpc)
            .env("KEYWARD_HTTP_LISTEN", http)
            // Other tests keep the disk busy.
            .env("KEYWARD_COUNT_WAIT_MS", "5000")
            .env("KEYWARD_SERVER", format!("http://{grpc}"))
            // What the reader has not set must not be set here either.
            .env_remove("KEYWARD_DATA_DIR")
            .env_remove("KEYWARD_CONFIG")
            .env_remove("KEYWARD_ROOT_KEY_FILE")
            .env_remove("KEYWARD_ADMIN_KEY")
            .env_remove("KEYWARD_ADMIN_KEY_FILE")
            .env_remove("KEYWARD_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("timeout and bash");
        let mut commands = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        commands.write_all(SERVE.as_bytes()).expect("bash reads");
        Self { child, commands, output }
    }

    /// Runs one command; the error says how it failed or how its output differs from `expected`.
    fn run(&mut self, command: &str, expected: &[String]) -> Result<(), String> {
        let serve = if is_server(command) { "serve " } else { "" };
        let script = format!("{{ {serve}{command}\n}} </dev/null; printf '\\n{DONE} %d\\n' \"$?\"\n");
        self.commands.write_all(script.as_bytes()).map_err(|error| format!("the shell is gone: {error}"))?;
        let (printed, status) = self.answer().map_err(|error| error.to_string())?;
        let Some(status) = status else {
            return Err(format!(
                "the shell ended, or ran out of {DEADLINE} s, after:\n{}",
                printed.join("\n")
            ));
        };
        if status != "0" {
            return Err(format!("exit status {status}:\n{}", printed.join("\n")));
        }
        if expected.is_empty() || lines_match(expected, &printed) {
            return Ok(());
        }
        Err(format!("shown:\n{}\nprinted:\n{}", expected.join("\n"), printed.join("\n")))
    }

    /// The lines up to the mark, without blank ones at the end, and the exit status if there was a mark.
    fn answer(&mut self) -> io::Result<(Vec<String>, Option<String>)> {
        let mut printed = Vec::new();
        let mut status = None;
        let mut line = String::new();
        while status.is_none() && self.output.read_line(&mut line)? > 0 {
            match line.strip_prefix(DONE) {
                Some(code) => status = Some(code.trim().to_owned()),
                None => printed.push(line.trim_end().to_owned()),
            }
            line.clear();
        }
        while printed.last().is_some_and(String::is_empty) {
            printed.pop();
        }
        Ok((printed, status))
    }
}

impl Drop for Shell {
    /// Ends the shell by its own last word, so that its trap ends the server; the deadline holds here too.
    fn drop(&mut self) {
        let asked = self.commands.write_all(b"exit\n").and_then(|()| self.commands.flush());
        if let Err(error) = asked.and_then(|()| self.child.wait().map(drop)) {
            say(&format!("the shell of a document was gone before its end: {error}"));
        }
    }
}

fn lines_match(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((any, rest)) if any.trim() == WILDCARD.to_string() => {
            (0..=printed.len()).any(|skipped| lines_match(rest, printed.split_at(skipped).1))
        }
        Some((line, rest)) => printed
            .split_first()
            .is_some_and(|(first, more)| line_matches(line.trim_end(), first) && lines_match(rest, more)),
    }
}

fn line_matches(shown: &str, printed: &str) -> bool {
    let Some((start, rest)) = shown.split_once(WILDCARD) else { return shown == printed };
    let Some(printed) = printed.strip_prefix(start) else { return false };
    let mut ends = printed.char_indices().map(|(at, _)| at).chain([printed.len()]);
    ends.any(|at| line_matches(rest, printed.split_at(at).1))
}

mod the_reader {
    use super::*;

    fn commands(markdown: &str) -> Vec<String> {
        steps(markdown).unwrap().into_iter().map(|step| step.command).collect()
    }

    #[test]
    fn it_takes_commands_and_output_of_console_blocks_only() {
        let markdown = "# A\n```sh\n$ no\n```\n```console\n$ echo a\na\nb\n\n$ echo c\n```\ntext\n$ no\n";
        let expected =
            [(6, "echo a", vec!["a", "b"]), (10, "echo c", vec![])].map(|(line, command, lines)| Step {
                line,
                command: command.to_owned(),
                expected: lines.into_iter().map(str::to_owned).collect(),
            });
        assert_eq!(steps(markdown).unwrap(), expected);
    }

    #[test]
    fn it_joins_lines_that_go_on() {
        assert_eq!(
            commands("```console\n$ a \\\n    -d x \\\n    y\nout\n```"),
            ["a \\\n    -d x \\\n    y"]
        );
        assert_eq!(commands("```console\n$ a '{\n>   b\n> }'\nout\n> out\n```"), ["a '{\n  b\n}'"]);
    }

    #[test]
    fn it_knows_longer_fences() {
        assert_eq!(commands("````md\n```console\n$ no\n```\n````\n````console\n$ yes\n```\n````"), ["yes"]);
    }

    #[test]
    fn it_refuses_what_it_could_not_run() {
        assert_eq!(steps("```console\noutput\n```").unwrap_err().line, 2);
        assert_eq!(steps("```console\n$ a\n```\n```console\noutput\n```").unwrap_err().line, 5);
        assert_eq!(steps("```console\n$ echo kw_live_…\n```").unwrap_err().line, 2);
    }

    #[test]
    fn it_installs_nothing_and_knows_a_server() {
        assert_eq!(as_built("cargo run --release -- serve --x"), "keyward serve --x");
        assert_eq!(as_built("keyward issue cargo run"), "keyward issue cargo run");
        assert!(is_server("keyward serve --x") && is_server("keyward serve"));
        assert!(!is_server("keyward check serve") && !is_server("echo keyward serve"));
    }
}

mod the_matcher {
    use super::*;

    #[test]
    fn it_takes_the_wildcard_for_any_run_of_characters() {
        let rows = [
            ("a", "a", true),
            ("a", "ab", false),
            ("ab", "a", false),
            ("…", "", true),
            ("a…", "abc", true),
            ("a…c", "abcbc", true),
            ("a…c…e", "abcde", true),
            ("a…c", "abcd", false),
            ("\"id\": \"key_…\",", "\"id\": \"key_0é\",", true),
            ("\"id\": \"key_…\",", "\"id\": \"ws_0\",", false),
        ];
        for (shown, printed, expected) in rows {
            assert_eq!(line_matches(shown, printed), expected, "{shown} against {printed}");
        }
    }

    #[test]
    fn it_takes_a_line_of_nothing_else_for_any_lines() {
        let rows = [
            ("a\nb", "a\nb", true),
            ("a\nb", "a", false),
            ("a", "a\nb", false),
            ("a\n…\nd", "a\nb\nc\nd", true),
            ("a\n  …\nb", "a\nb", true),
            ("…\nb\n…", "a\nb\nc", true),
            ("…\nx\n…", "a\nb\nc", false),
            ("a\n…", "a", true),
        ];
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        for (shown, printed, expected) in rows {
            assert_eq!(lines_match(&lines(shown), &lines(printed)), expected, "{shown} against {printed}");
        }
    }
}

mod the_runner {
    use super::*;

    fn run_text(console: &str) -> Result<(), Failure> {
        let folder = tempfile::tempdir().unwrap();
        // A server that listens nowhere but is there, and one command of the client.
        let program = folder.path().join("keyward");
        fs::write(&program, FAKE).unwrap();
        assert!(Command::new("chmod").arg("+x").arg(&program).status().unwrap().success());
        let path: Vec<PathBuf> = [folder.path().to_owned()].into_iter().chain(search_path()).collect();
        run(&steps(&format!("```console\n{console}\n```\n")).unwrap(), folder.path(), &path)
    }

    /// Stands for Keyward until it serves: listens, says so, and answers what `address` asks.
    const FAKE: &str = r#"#!/usr/bin/env bash
[[ $1 != address ]] || { echo "at $KEYWARD_LISTEN"; exit; }
[[ ${2:-} != --broken ]] || { echo "no such flag"; exit 3; }
echo "listening on $KEYWARD_LISTEN"
exec python3 -c '
import os, socket
host, port = os.environ["KEYWARD_LISTEN"].split(":")
server = socket.create_server((host, int(port)))
while True: server.accept()
'
"#;

    #[test]
    fn it_keeps_variables_from_one_command_to_the_next() {
        run_text("$ A=$(echo one)\n$ echo \"$A\" two; echo 3\none t…\n3").unwrap();
    }

    #[test]
    fn it_compares_only_what_is_shown() {
        run_text("$ echo anything").unwrap();
        let failure = run_text("$ true\n$ echo one\ntwo").unwrap_err();
        assert_eq!(failure.line, 3);
        assert!(failure.what.contains("shown:\ntwo\nprinted:\none"), "{failure}");
    }

    #[test]
    fn it_stops_at_a_command_that_fails() {
        let rows = [
            ("$ false", "exit status 1"),
            ("$ false | true", "exit status 1"),
            ("$ (exit 7)", "exit status 7"),
        ];
        for (console, expected) in rows {
            let failure = run_text(console).unwrap_err();
            assert!(failure.what.contains(expected), "{console}: {failure}");
        }
        assert!(run_text("$ exit 0").unwrap_err().what.contains("the shell ended"));
        assert!(run_text("$ echo $NOT_SET").is_err());
    }

    #[test]
    fn it_runs_a_server_until_the_end() {
        let shown = "$ cargo run --release -- serve\nlistening on 127.0.0.1:50051\n$ keyward address\nat 127.0.0.1:50051";
        run_text(shown).unwrap();
        run_text("$ keyward serve\n$ (exec 3<>/dev/tcp/127.0.0.1/${KEYWARD_LISTEN#*:})").unwrap();
    }

    #[test]
    fn it_reports_a_server_that_does_not_start() {
        let failure = run_text("$ keyward serve --broken").unwrap_err();
        assert!(failure.what.contains("exit status 3:\nno such flag"), "{failure}");
    }
}
