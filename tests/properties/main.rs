//! Random lives of keys against a model that was written from the documents, and every small case of matching.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod command;
mod matching;
mod model;
mod world;

use proptest::{
    collection::vec,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};

use self::{
    command::{Ask, Command, How, New, Wish},
    world::World,
};

/// Unless `PROPTEST_CASES` asks for more.
const CASES: u32 = 24;
const LONGEST: usize = 40;
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/properties/regressions.txt");

#[test]
fn keyward_answers_as_the_documents_say_whatever_happens() {
    // K6, K8, K9, K10, S1, S3, S4, S5, S7, S8, R1, R2, R4, V2, V3, T1, A1, A3
    #[allow(
        clippy::disallowed_methods,
        reason = "proptest's own variable, for which its default is too many"
    )]
    let asked = std::env::var("PROPTEST_CASES").ok().map(|cases| cases.parse().unwrap());
    let config = Config {
        cases: asked.unwrap_or(CASES),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        max_shrink_time: 120_000,
        ..Config::default()
    };
    let lives = vec(command::any(), 1..=LONGEST);
    let outcome = TestRunner::new(config).run(&lives, |commands| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
            .block_on(live(&commands));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

async fn live(commands: &[Command]) {
    let mut world = World::start().await;
    let member = |workspace, subject, role| Command::Member { workspace, subject, wish: Wish::Add(role) };
    let members = [member(0, "ann", "reading"), member(1, "bob", "writing")];
    for command in members.iter().chain(commands) {
        world = Box::pin(world.carry_out(command)).await;
        world.check_every_secret().await;
    }
    world.compare_lists().await;
    world.compare_log().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switching_a_key_on_that_is_on_leaves_it_as_it_was() {
    // A shrunk failure: the answer told a time of change that nothing had changed at.
    Box::pin(live(&[Command::Advance { ms: 1 }, Command::Enable { key: 0 }])).await;
    Box::pin(live(&[Command::Disable { key: 0 }, Command::Advance { ms: 1 }, Command::Disable { key: 0 }]))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_follows_its_owner_through_every_change_of_role() {
    // S5
    let new = New {
        workspace: Some(0),
        environment: None,
        scopes: Vec::new(),
        grants: Vec::new(),
        expires: None,
        networks: Vec::new(),
        follows: Some("ann"),
        request: None,
    };
    let ask = Ask {
        secret: 2,
        how: How::Explain,
        scopes: vec!["a:write"],
        any_scopes: Vec::new(),
        resource: None,
        workspace: None,
        environment: None,
        address: None,
    };
    let mut life = vec![Command::Issue(new)];
    for wish in [Wish::Update("writing"), Wish::Remove, Wish::Add("writing"), Wish::Update("reading")] {
        life.push(Command::Check(ask.clone()));
        life.push(Command::Member { workspace: 0, subject: "ann", wish });
    }
    life.push(Command::Check(ask));
    Box::pin(live(&life)).await;
}
