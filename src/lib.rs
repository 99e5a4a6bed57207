//! Keyward decides, for other services, whether the holder of an API key may do what it asks to do, now.
//!
//! Truth is in SQLite: each change is one transaction that holds the change and its entry in one ordered, chained log.
//! Memory is a view built by following that log. So a look-up that misses is an answer, not a reason to ask the
//! database.
//!
//! # The map
//!
//! A module may use what stands above it, never what stands below, and adapters never use each other,
//! but that [`http`] is [`grpc`] in other clothes;
//! `tests/architecture/` holds that, and that no files name each other in a circle.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`domain`] | what a key ([`key`](domain::key)), its secrets ([`credentials`](domain::credentials)) and its rights are, what may exist ([`policy`](domain::policy)), what rights and limits a key has under it ([`rights`](domain::rights), [`limit`](domain::limit)), which request of a gateway needs what ([`route`](domain::route)), and the [`decision`](domain::decision): pure functions and values; no I/O, nothing async, time and randomness as arguments |
//! | [`ports`] | what is needed of a back end: [`KeyStore`](ports::KeyStore), [`Mutation`](ports::Mutation), [`StoreError`](ports::StoreError); of those who count: [`Counters`](ports::Counters), and [`Permits`](ports::Permits) for what is written ahead of its use |
//! | [`index`] | the complete view of all keys in memory, with their rights, and of the policy in force; reads never wait |
//! | [`follower`] | follows the log into the index |
//! | [`judge`] | what is decided: who asks, whose a secret is, whether its holder may; from memory alone, without a store in reach |
//! | [`http_answer`] | a decision as a gateway's client sees it: status, headers, body, in one table; and who asks, as the service behind sees it |
//! | [`gateway`] | what a request that a gateway asks about needs, and what the gateway is to do: one judgement for gateways of every protocol |
//! | [`changes`] | what administrators can ask for, one verb per file: what changes truth, and what looks at it |
//! | [`error`] | why Keyward could not do what was asked, by what the caller does next |
//! | [`health`] | how the process stands, in conditions with names, for probes of every protocol |
//! | [`metrics`] | every family of metrics, and both formats of their text; what is counted is counted where it happens |
//! | [`server`] | sockets, connections and calls within their bounds, of every protocol |
//! | [`store`], [`counters`], [`grpc`], [`http`] | the adapters: where truth is kept (data directory, roots, SQLite); where limits are counted; the services of the wire, and Envoy's; `/verify` for other gateways, and Check in JSON |
//! | `guard` | with the feature of that name: a layer by which services in Rust ask a Keyward; the server does without |
//! | [`app`] | names the adapters and wires them |
//! | [`cli`] | the command line: a client of the server, one verb per file |
//!
//! Beside these stand [`config`], [`system`], [`telemetry`] and [`shutdown`], the only readers of environment, clock,
//! randomness and signals; and [`wire`], which is generated from `proto/` and known to [`grpc`], `guard` and [`cli`] alone.
//! `src/main.rs` reads the arguments and returns the exit code; `src/yielding.rs` is how work over all keys makes room for
//! Checks.
//!
//! # What always holds
//!
//! - An allow is made in [`domain::decision`] only, and absence is never permission: no scopes, no grant, no
//!   list entry mean no.
//! - A denial is an answer ([`Denial`](domain::decision::Denial)); an error
//!   ([`OperationError`](error::OperationError)) means that Keyward could not answer. Neither ever
//!   becomes the other.
//! - The policy is one document, checked as a whole before it can be a [`Policy`](domain::policy::Policy). What it does not
//!   declare is neither granted nor passed: a key's [`Rights`](domain::rights::Rights) are worked out anew when the key or
//!   the policy changes, so that a Check looks at neither wildcards nor the registry.
//! - A key that follows its owner's role has what the role has, narrowed by its own grants and never widened. That, and whether
//!   its workspace is in use, is worked out anew when the member, the workspace or the policy changes.
//! - A path decides only as a [`CanonicalPath`](domain::route::CanonicalPath); what is spelled in another way is on no
//!   route, and what is on no route is denied.
//! - A plaintext key lives in [`domain::secret`], which alone looks inside: not `Clone`, not `Debug`, wiped on drop.
//!   What is stored is a keyed hash; the roots of its key ([`domain::root`]) are outside the database.
//! - A key has one current secret and at most two replaced ones, each with an end ([`domain::credentials`]): one that
//!   was replaced and stays valid for ever cannot be written.
//! - A change and its log entry are one [`Mutation`](ports::Mutation), one transaction. It is answered when it is
//!   durable and in memory, never before.
//! - Who changes something holds an [`AdminPermit`](domain::admin::AdminPermit) of the right kind, which only
//!   [`domain::admin`] makes.
//! - Only the follower writes to the index; only the store's one writing thread writes to the database.
//! - A row counts only if its code fits and its revision is the newest that the log has for it. Many keys at once are
//!   changed by one entry and no row: a key is its row, and upon it every later entry that names it among others
//!   ([`domain::group`]).
//! - Nothing is decided by the machine's clock alone, only by what [`TrustedClock`](domain::time::TrustedClock) believes
//!   of it; [`changes::support::clock_mark`] keeps that for the next process.
//! - All limits of a Check are charged together or none is ([`Counters::charge`](ports::Counters::charge)), after every other
//!   condition has passed; a charge is never taken back. What may be used is written before it is used, but for a first
//!   block of large limits, which counts as used after a crash.
//! - A Check touches no disk and holds no lock while it waits; it waits for the revision that it asks for, and, where its
//!   block of units is used up, for a write that is under way: 50 ms at most unless told otherwise, then it is an error, not
//!   a denial.
//! - `ChangeKeys`, its preview, `ReviewKeys`, and the taking over of what changed many keys run in the
//!   [background](app), on threads that the system gives what Checks leave; nothing that a Check waits for runs there.
//! - Each error becomes a status in one table (`grpc/status.rs`), and what never reaches a handler in another
//!   (`grpc/refusal.rs`). A denial becomes HTTP in a third ([`http_answer`]). Envoy is never answered with an error, which
//!   it may let requests through on, nor with a message made from a default, which it takes for an allow:
//!   [`grpc::ext_authz`] has a 503 for it.
//!
//! # A Check, walked
//!
//! 1. `server/acceptor.rs` accepts within its bounds ([`ListenerLimits`](server::limits::ListenerLimits)) and hands the
//!    socket to the core with the fewest connections (`server/worker.rs`); `grpc/gate.rs` refuses what is no gRPC call,
//!    `server/call.rs` gives each call a deadline and an answer to a panic; `grpc/routes.rs` sends it to its service by its
//!    exact path.
//! 2. One plain message that needs no wait is answered by hand ([`grpc::check_call`]), every other call by the generated
//!    service; both ask `grpc/keys/check.rs`, on that same core: who asks
//!    ([`Judge::identify`](judge::Judge::identify)), and may they; then `grpc/convert/check.rs` makes
//!    the message a [`Query`](judge::question::Query). A batch makes all its queries before the first is judged.
//! 3. [`Judge::check`](judge::Judge::check):
//!    [`PresentedKey::parse`](domain::secret::PresentedKey::parse) refuses bad shapes before any hash, the hash comes
//!    before the look-up, [`Index::by_hash`](index::Index::by_hash). Another system's token is hashed, in the ways of those
//!    systems, only while secrets of theirs are here ([`domain::scheme`]).
//! 4. [`domain::decision::judge`] takes the conditions in order: standing, secret, state of the workspace, owner,
//!    workspace, environment, role, scopes, resources, address, browser. The first that fails names the denial.
//! 5. What passes is a [`Bill`](ports::Bill) for the limits of the tiers that it asked for, which the key's place in the index
//!    has ready ([`Index::bill`](index::Index::bill)): [`MemoryCounters`](counters::memory::MemoryCounters) locks the accounts
//!    of key, owner and workspace that it names, judges every limit, and charges all or none.
//! 6. Every decision passes [`judge::record`], and is counted for metrics there ([`judge::tally`]). An enforcing Check that is
//!    allowed notes the use in memory where its minute is news
//!    ([`Index::note_use`](index::Index::note_use), written each second by [`changes::support::last_use`]); every
//!    enforcing one of a known key is counted ([`judge::usage`], written each second by [`changes::usage`]); and
//!    `grpc/convert/check_bytes.rs` writes the answer, in the same bytes as `check.rs` beside it.
//!
//! # A request through Envoy, walked
//!
//! 1. The same server. `grpc/routes.rs` gives the one method of Envoy to [`grpc::ext_authz`], which reads the bytes by
//!    itself: what cannot be read is a denial, and a call that fails before its handler is answered 503,
//!    to be passed on.
//!    (`/verify`, which other gateways ask over HTTP, is read by `http/verify.rs`, and goes the same way from here on.)
//! 2. [`Desk::answer`](gateway::Desk::answer): a sealed store and a gateway that may not ask are a 503. [`gateway::said`] reads
//!    what the gateway's settings say that the request needs. Where they name no scopes,
//!    [`RouteTable::find`](domain::route::RouteTable::find) finds the route of the policy, with the resource that the
//!    path names; a public one lets the request through here, with no identity.
//! 3. [`carried::credential`](domain::carried::credential) finds the one credential, or denies; only then is a request
//!    denied that is on no route. From here it is an enforcing Check, from its third step on.
//! 4. An allow carries who asks ([`http_answer::identity`]), in headers that overwrite the client's; a denial is what
//!    [`http_answer::stopped`] makes of it. The exact reason goes to the gateway's log alone.
//!
//! # An Issue, walked
//!
//! 1. The same server. Each RPC is a file that names the proof that its caller must have, the lane that its work takes, and
//!    the work (`grpc/rpc.rs`): `grpc/keys/issue.rs` asks for a permit to issue keys, or for an administration key to grant
//!    administration ([`IssuePermit`](changes::keys::issue::IssuePermit)). `Api::serve` takes it before any field is read.
//! 2. Then it takes a place of the caller's share ([`grpc::lanes`]), and the work goes on upon threads of its own, also when
//!    the client goes away. The workspace must be within reach; then `grpc/convert/new_key.rs` parses the fields.
//! 3. [`Changes::issue`](changes::Changes::issue): is the request id unused; time from the
//!    [`TrustedClock`](domain::time::TrustedClock), id and secret from [`Entropy`](domain::time::Entropy); is the key within the
//!    caller's ceiling ([`require_ceiling`](domain::admin::AdminPermit::require_ceiling)), and is it one that the policy in
//!    force lets be ([`Policy`](domain::policy::Policy): scopes, environment, key rules).
//! 4. One mutation goes to [`KeyStore::commit`](ports::KeyStore::commit): `store/sqlite/writer/mod.rs` takes it into a
//!    group, `store/sqlite/rows.rs` writes rows and log entry with their codes, one `COMMIT` makes the group durable.
//! 5. [`Follower::run`](follower::Follower::run) reads what is new and applies it ([`Index::apply`](index::Index::apply));
//!    when the index has the revision, the answer goes out, with the secret, this once.
//!
//! Rotate, Revoke, Update, Disable and Enable take the same road with another transition of
//! [`Key`](domain::key::Key), and are judged again when another change came first.

pub mod app;
pub mod changes;
pub mod cli;
pub mod config;
pub mod counters;
pub mod domain;
pub mod error;
pub mod follower;
pub mod gateway;
pub mod grpc;
#[cfg(feature = "guard")]
pub mod guard;
pub mod health;
pub mod http;
pub mod http_answer;
pub mod index;
pub mod judge;
pub mod metrics;

pub mod ports;
pub mod server;
pub mod shutdown;
pub mod store;
pub mod system;
pub mod telemetry;
pub mod wire;
mod yielding;
