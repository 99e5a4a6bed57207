//! `keyward roots`: the roots of stores, and how a store stands to them.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use super::{begin::store_of, error::AppError};
use crate::{
    config::args::{DestroyRootArgs, NewRootsArgs, RootsCommand, StoreRootsArgs},
    domain::root::Root,
    store::{
        data_dir::write_secret_file,
        roots::{FoundRoots, Roots},
        settings::StoreSettings,
        sqlite::{OpenError, RootState, RootStatus, roots_offline},
    },
    system::SystemEntropy,
};

/// Does what a command on roots asks for; what there is to say of that.
///
/// # Errors
/// See each of them.
pub fn roots(command: &RootsCommand) -> Result<String, AppError> {
    match command {
        RootsCommand::New(args) => make(args).map(|()| String::new()),
        RootsCommand::Rotate(args) => rotate(args),
        RootsCommand::Status(args) => status(args),
        RootsCommand::Destroy(args) => destroy(args),
    }
}

/// Makes the roots of a new store that are to be kept outside its data directory, or a further root. Refused where the file is there
/// already, and on a terminal.
fn make(args: &NewRootsArgs) -> Result<(), AppError> {
    let root = Root::draw(args.number.unwrap_or(1), &SystemEntropy::default()).map_err(OpenError::from)?;
    let text = if args.number.is_some() { Roots::line(&root) } else { Roots::new(root).text() };
    if args.file != Path::new("-") {
        return Ok(write_secret_file(&args.file, text.trim_end())?);
    }
    let mut out = io::stdout();
    if out.is_terminal() {
        return Err(AppError::RootsOnTerminal);
    }
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(AppError::RootsUnwritten)
}

/// Says how a store stands to each of its roots.
fn status(args: &StoreRootsArgs) -> Result<String, AppError> {
    let report = roots_offline(&args.data_dir, &settings(args))?;
    let mut text = String::new();
    for root in &report.roots {
        // A String takes every text.
        let _written = writeln!(text, "root {:<4} {}", root.number, shown(root));
    }
    Ok(text)
}

fn shown(root: &RootStatus) -> String {
    let RootStatus { state, rows, secrets, over, since, added, .. } = root;
    let over =
        if *over > 0 { format!(", and {over} that ended 90 days ago or earlier") } else { String::new() };
    let starts = format!("{secrets} secrets start at it{over}");
    match state {
        RootState::Coming => "is at hand: SIGHUP, or the next start, lays it over the store".to_owned(),
        RootState::Newest => format!("in force since revision {since}, {added}; {starts}"),
        RootState::Older if *rows > 0 => format!("{rows} rows are still to be written anew; {starts}"),
        RootState::Older => {
            format!("nothing stands under it: `keyward roots destroy` takes it away; {starts}")
        }
        RootState::Destroyed => format!("destroyed; {starts}"),
    }
}

/// Adds a further root to the file that holds them. Refused where one is waiting already, while rows stand under an older one, and
/// where secrets start at as many roots as there may be.
fn rotate(args: &StoreRootsArgs) -> Result<String, AppError> {
    let settings = settings(args);
    let report = roots_offline(&args.data_dir, &settings)?;
    if let Some(coming) = report.of(RootState::Coming).next() {
        return Err(AppError::RootWaits(coming.number));
    }
    let left: u64 = report.of(RootState::Older).map(|root| root.rows).sum();
    if left > 0 {
        return Err(AppError::RowsLeft(left));
    }
    report.require_room()?;
    let number = report.newest().saturating_add(1);
    let root = Root::draw(number, &SystemEntropy::default()).map_err(OpenError::from)?;
    let path = found(args, &settings)?.with(root).replace(&args.data_dir, &settings.roots);
    let path = path.map_err(|error| AppError::RootsKeptByOthers { why: error.to_string(), number })?;
    Ok(format!(
        "root {number} is in {}: keep a copy of the file apart from the database. Send SIGHUP to the server, or restart it: it lays the root over \
         the store, and every key stays good. `keyward roots status` says how far it is\n",
        path.display()
    ))
}

/// Takes the oldest root out of the file that holds them. Refused for any other, and while rows stand under it.
fn destroy(args: &DestroyRootArgs) -> Result<String, AppError> {
    let settings = settings(&args.store);
    let report = roots_offline(&args.store.data_dir, &settings)?;
    let kept = found(&args.store, &settings)?;
    let oldest = kept.iter().map(Root::number).next().unwrap_or_default();
    let mut of_store = report.of(RootState::Older).chain(report.of(RootState::Destroyed));
    let root = of_store.find(|root| root.number == args.root && root.number == oldest);
    let refused = || AppError::NotOldestRoot { root: args.root, oldest, newest: report.newest() };
    let root = root.ok_or_else(refused)?;
    if root.rows > 0 {
        return Err(AppError::RowsLeft(root.rows));
    }
    let kept = kept.without_oldest().ok_or_else(refused)?;
    let path = kept.replace(&args.store.data_dir, &settings.roots).map_err(OpenError::from)?;
    Ok(format!(
        "root {} is taken out of {}. Send SIGHUP to the server, or restart it: it notes in the log that the root is gone. Destroy every copy \
         of it, too\n",
        args.root,
        path.display()
    ))
}

fn settings(args: &StoreRootsArgs) -> StoreSettings {
    store_of(None, &args.roots, None)
}

fn found(args: &StoreRootsArgs, settings: &StoreSettings) -> Result<Roots, AppError> {
    match Roots::find(&args.data_dir, &settings.roots).map_err(OpenError::from)? {
        FoundRoots::Kept(roots) => Ok(roots),
        FoundRoots::New(_) | FoundRoots::Missing => Err(AppError::NotInitialized(args.data_dir.clone())),
    }
}
