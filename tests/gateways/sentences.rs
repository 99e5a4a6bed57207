//! The READMEs of the examples, sentence by sentence: each is held by a test with the real gateway, or says what stands in a file.

use std::{fs, path::Path};

use crate::gateway::Gateway;

/// What holds a sentence.
pub(crate) enum Held {
    /// This test, in this file.
    By(&'static str, &'static str),
    /// These words in the files.
    Words(&'static [&'static str]),
}
use Held::{By, Words};

// What holds sentences of each of them.
pub(crate) const EXAMPLE: Held = By("example.rs", "the_requests_of_each_readme_get_what_it_says");
pub(crate) const DECISIONS: Held =
    By("decisions.rs", "every_decision_comes_to_the_client_as_the_document_says");
pub(crate) const AWAY: Held =
    By("outage.rs", "while_keyward_is_down_nothing_passes_and_when_it_is_back_it_decides");
pub(crate) const CLAIMS: Held = By("claims.rs", "what_a_client_claims_never_reaches_the_service");
pub(crate) const PATHS: Held =
    By("paths.rs", "a_hostile_path_is_refused_or_decided_as_the_path_that_the_service_gets");

/// How each sentence and each row of a table begins, in their order, and what holds it.
pub(crate) type Sentences = [(&'static str, Held)];

/// Passes if these are the sentences of a gateway's README, each with what holds it.
#[track_caller]
pub(crate) fn assert_held(gateway: &Gateway, expected: &Sentences) {
    let found = sentences(gateway.readme);
    let begins = |(sentence, (beginning, _)): &(&String, &(&str, Held))| sentence.starts_with(beginning);
    let first = found.iter().zip(expected).find(|both| !begins(both));
    assert!(first.is_none(), "{:?}", first.map(|(sentence, (beginning, _))| (sentence, beginning)));
    assert_eq!(found.len(), expected.len(), "{:?}", found.last());

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateways");
    let files: String = gateway.files.iter().map(|(_, text)| *text).collect();
    for (beginning, held) in expected {
        match held {
            By(file, test) => {
                let code = fs::read_to_string(folder.join(file)).unwrap();
                assert!(code.contains(&format!("fn {test}(")), "{beginning}: {file}::{test}");
            }
            Words(words) => {
                for words in *words {
                    assert!(files.contains(words), "{beginning}: {words}");
                }
            }
        }
    }
}

/// The sentences of a document, and the rows of its tables but for their headings; no code.
fn sentences(markdown: &str) -> Vec<String> {
    let prose = markdown.split("```").step_by(2).collect::<Vec<_>>().join("\n\n");
    let mut blocks: Vec<String> = vec![String::new()];
    for line in prose.lines() {
        let begins = line.is_empty() || line.starts_with(['#', '|']) || line.starts_with("- ");
        if begins {
            blocks.push(String::new());
        }
        let line = line.strip_prefix("- ").unwrap_or(line);
        if !line.starts_with(['#']) && !line.starts_with("| file |") && !line.starts_with("| --- ") {
            let block = blocks.last_mut().unwrap();
            block.push(' ');
            block.push_str(line.trim());
        }
    }
    let blocks = blocks.into_iter().map(|block| block.replace("**", ""));
    blocks.flat_map(|block| split(block.trim())).filter(|sentence| !sentence.is_empty()).collect()
}

fn split(block: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut parts = block.split(". ").peekable();
    while let Some(part) = parts.next() {
        let sentence = found.last_mut().unwrap();
        sentence.push_str(part);
        if let Some(next) = parts.peek() {
            sentence.push_str(". ");
            let begins = next.starts_with("nginx ")
                || next.starts_with(|c: char| c.is_uppercase() || "`[".contains(c));
            if begins {
                found.push(String::new());
            }
        }
    }
    found.into_iter().map(|sentence| sentence.trim().to_owned()).collect()
}
