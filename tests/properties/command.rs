//! What can happen to keys, drawn from a small universe, so that things meet often and edges are hit exactly.

use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any as anything, prop_oneof},
    sample::{select, subsequence},
};

const SCOPES: [&str; 5] = ["a:read", "a:write", "ab:read", "b:read", "a:*"];
/// What a request can need: a wildcard is a right only.
const NEEDS: [&str; 5] = ["a:read", "a:write", "ab:read", "b:read", "b:write"];
const PATTERNS: [&str; 4] = ["s/1", "s/*", "t/*", "*"];
const RESOURCES: [&str; 5] = ["s/1", "s/2", "s/1/2", "st/1", "s"];
const NETWORKS: [&str; 3] = ["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"];
const ADDRESSES: [&str; 5] = ["10.1.2.3", "::ffff:10.2.0.1", "11.0.0.1", "2001:db8::1", "2001:db9::1"];

const SUBJECTS: [&str; 2] = ["ann", "bob"];
/// Roles and what they have.
pub(crate) const ROLES: [(&str, &[&str]); 2] = [("reading", &["a:read", "b:read"]), ("writing", &["a:*"])];

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// Times and spans are drawn from the same few, so that they add up to an end, and to the millisecond before.
const SPANS: [i64; 9] = [1, SECOND, HOUR - 1, HOUR, DAY - 1, DAY, 7 * DAY, 366 * DAY, 400 * DAY];

/// One step. Keys and secrets are numbers modulo those that there are.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Issue(New),
    Rotate { key: usize, grace: Option<i64>, request: Option<u8> },
    Revoke { key: usize },
    RevokePresented { secret: usize },
    Disable { key: usize },
    Enable { key: usize },
    Update { key: usize, change: Change },
    Bulk { workspace: usize, environment: Option<&'static str>, act: Act },
    Member { workspace: usize, subject: &'static str, wish: Wish },
    Advance { ms: i64 },
    Restart,
    Check(Ask),
}

/// What becomes of a member, with the role that it gets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    Add(&'static str),
    Update(&'static str),
    Remove,
}

/// What is done to many keys at once.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Disable,
    Enable,
    Revoke,
    /// From now on, in milliseconds.
    Retire(i64),
}

/// A scope for some resources.
pub(crate) type Bound = (&'static str, Vec<&'static str>);

#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) workspace: Option<usize>,
    pub(crate) environment: Option<&'static str>,
    pub(crate) scopes: Vec<&'static str>,
    pub(crate) grants: Vec<Bound>,
    /// From now on, in milliseconds.
    pub(crate) expires: Option<i64>,
    pub(crate) networks: Vec<&'static str>,
    /// The owner, whose role it follows.
    pub(crate) follows: Option<&'static str>,
    pub(crate) request: Option<u8>,
}

/// `None` leaves a field alone.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) scopes: Option<Vec<&'static str>>,
    pub(crate) grants: Option<Vec<Bound>>,
    pub(crate) expires: Option<Expiry>,
}

/// A new expiry, from now on, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expiry {
    In(i64),
    Never,
}

impl Expiry {
    pub(crate) fn span(self) -> Option<i64> {
        match self {
            Self::In(span) => Some(span),
            Self::Never => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) secret: usize,
    pub(crate) how: How,
    pub(crate) scopes: Vec<&'static str>,
    pub(crate) any_scopes: Vec<Vec<&'static str>>,
    pub(crate) resource: Option<&'static str>,
    pub(crate) workspace: Option<usize>,
    pub(crate) environment: Option<&'static str>,
    pub(crate) address: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Enforce,
    Peek,
    Explain,
    ExplainById,
}

pub(crate) fn any() -> impl Strategy<Value = Command> {
    let key = || anything::<usize>();
    let request = || option::weighted(0.3, 0_u8..3);
    let grace = prop_oneof![
        3 => Just(None),
        2 => Just(Some(0)),
        6 => select(&SPANS[..]).prop_map(Some),
        1 => Just(Some(-1)),
    ];
    prop_oneof![
        4 => new().prop_map(Command::Issue),
        6 => (key(), grace, request()).prop_map(|(key, grace, request)| Command::Rotate { key, grace, request }),
        1 => key().prop_map(|key| Command::Revoke { key }),
        3 => key().prop_map(|secret| Command::RevokePresented { secret }),
        2 => key().prop_map(|key| Command::Disable { key }),
        2 => key().prop_map(|key| Command::Enable { key }),
        3 => (key(), change()).prop_map(|(key, change)| Command::Update { key, change }),
        3 => (0_usize..2, environment(), act())
            .prop_map(|(workspace, environment, act)| Command::Bulk { workspace, environment, act }),
        6 => (0_usize..2, select(&SUBJECTS[..]), wish())
            .prop_map(|(workspace, subject, wish)| Command::Member { workspace, subject, wish }),
        5 => select(&SPANS[..]).prop_map(|ms| Command::Advance { ms }),
        1 => Just(Command::Restart),
        8 => ask().prop_map(Command::Check),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    let role = || select(vec![ROLES[0].0, ROLES[1].0]);
    prop_oneof![4 => role().prop_map(Wish::Add), 2 => role().prop_map(Wish::Update), 1 => Just(Wish::Remove)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Disable),
        4 => Just(Act::Enable),
        1 => Just(Act::Revoke),
        4 => expiry().prop_map(Act::Retire),
    ]
}

fn expiry() -> impl Strategy<Value = i64> {
    prop_oneof![1 => select(vec![-1, 0]), 6 => select(&SPANS[..])]
}

fn scopes() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(&SCOPES[..], 0..=3)
}

fn grants() -> impl Strategy<Value = Vec<Bound>> {
    vec((select(&SCOPES[..]), subsequence(&PATTERNS[..], 1..=2)), 0..=2)
}

fn environment() -> impl Strategy<Value = Option<&'static str>> {
    option::weighted(0.3, select(vec!["live", "test"]))
}

fn new() -> impl Strategy<Value = New> {
    let networks = prop_oneof![2 => Just(Vec::new()), 1 => subsequence(&NETWORKS[..], 1..=2)];
    let expires = option::weighted(0.5, expiry());
    let fields = (
        option::of(0_usize..2),
        environment(),
        scopes(),
        grants(),
        expires,
        networks,
        option::weighted(0.4, select(&SUBJECTS[..])),
        option::weighted(0.3, 0_u8..3),
    );
    fields.prop_map(|(workspace, environment, scopes, grants, expires, networks, follows, request)| New {
        workspace,
        environment,
        scopes,
        grants,
        expires,
        networks,
        follows,
        request,
    })
}

fn change() -> impl Strategy<Value = Change> {
    let fields = (
        option::of(scopes()),
        option::of(grants()),
        option::of(prop_oneof![expiry().prop_map(Expiry::In), Just(Expiry::Never)]),
    );
    fields
        .prop_map(|(scopes, grants, expires)| Change { scopes, grants, expires })
        .prop_filter("something to change", |change| {
            change.scopes.is_some() || change.grants.is_some() || change.expires.is_some()
        })
}

fn ask() -> impl Strategy<Value = Ask> {
    let how = select(vec![How::Enforce, How::Enforce, How::Peek, How::Explain, How::ExplainById]);
    let needs = || subsequence(&NEEDS[..], 0..=2);
    let group = subsequence(&NEEDS[..], 1..=2);
    let fields = (
        anything::<usize>(),
        how,
        needs(),
        vec(group, 0..=2),
        option::of(select(&RESOURCES[..])),
        option::weighted(0.2, 0_usize..2),
        environment(),
        option::of(select(&ADDRESSES[..])),
    );
    fields.prop_map(|(secret, how, scopes, any_scopes, resource, workspace, environment, address)| Ask {
        secret,
        how,
        scopes,
        any_scopes,
        resource,
        workspace,
        environment,
        address,
    })
}
