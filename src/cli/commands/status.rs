//! `keyward status`: does the server take changes, and what does it deny in memory only?

use clap::Args;

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        output::{json, table::Table, time},
        session::Session,
    },
    wire::v1::{ChangesTaken, GetStatusRequest, GetStatusResponse, WrongCallers},
};

/// Show whether changes are taken
#[derive(Args, Debug)]
pub struct StatusArgs {}

pub(in crate::cli) async fn run(_args: StatusArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let mut audit = session.audit().await?;
    let status = audit.get_status(GetStatusRequest {}).await.map_err(session.rpc())?.into_inner();
    session.answer(|| json::status(&status), || text(&status))?;
    Ok(Exit::Done)
}

fn text(status: &GetStatusResponse) -> String {
    let mut facts = Table::of_facts();
    facts.fact("changes", in_words(status.changes_taken()));
    facts.fact("why", &status.why);
    facts.fact("revision", status.revision.to_string());
    if status.denied_key_count > 0 {
        let count = status.denied_key_count;
        facts.fact(
            "in memory only",
            format!("{count} keys are denied, and a restart forgets it: keep the server running"),
        );
    }
    if let Some(wrong) = status.wrong_callers.as_ref().filter(|wrong| wrong.count > 0) {
        facts.fact("wrong keys", wrong_keys(wrong));
    }
    let mut text = facts.render();
    if !status.denied.is_empty() {
        let mut table = Table::with_header(&["KEYS", "FIRST", "BECOMES", "ASKED", "BY"]);
        for denied in &status.denied {
            let by = denied.actor.as_ref().map(|actor| actor.key_id.clone()).unwrap_or_default();
            table.row([
                denied.key_count.to_string(),
                denied.key_ids.first().cloned().unwrap_or_default(),
                denied.becomes.clone(),
                time::shown(denied.asked_time.as_ref()),
                by,
            ]);
        }
        text.push('\n');
        text.push_str(&table.render());
    }
    text
}

/// What was sent as an administration key and is not one.
fn wrong_keys(wrong: &WrongCallers) -> String {
    let last = time::shown(wrong.last_time.as_ref());
    let WrongCallers { count, limited_count, .. } = wrong;
    let most = wrong.sources.first().map(|source| {
        let name = if source.source.is_empty() { "no address, or one of very many" } else { &source.source };
        format!("; most, {}, from {name}", source.count)
    });
    format!(
        "{count} sent as administration keys since the start, {limited_count} of them told to wait; the last at {last}{}",
        most.unwrap_or_default()
    )
}

const fn in_words(taken: ChangesTaken) -> &'static str {
    match taken {
        ChangesTaken::All => "taken",
        ChangesTaken::Ends => "only what takes rights away is taken, from room that is kept for it",
        ChangesTaken::None => "none is taken",
        ChangesTaken::Unspecified => "unknown",
    }
}
