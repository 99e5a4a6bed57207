//! `keyward import`: takes over keys of another system from a file of their hashes.

mod csv;
mod json;
mod lines;
mod quotes;
mod record;
mod row;
mod tally;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek as _},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use prost::Message as _;

use self::{lines::FileLine, quotes::FileRow, record::LineFault, tally::ImportTally};
use crate::{
    cli::{
        connection::CallerChannel,
        exit::Exit,
        failure::Failure,
        input::parse::{self, Expiry},
        preflight::Younger,
        session::Session,
    },
    wire::v1::{
        ErrorReason, Grant, HmacSha256Hash, ImportError, ImportKeysRequest, ImportResult, ImportRow,
        import_row::Hash, key_service_client::KeyServiceClient,
    },
};

pub(in crate::cli) const EXAMPLES: &str = "\
Look first, then do it:
  keyward import old-keys.csv --scope messaging:send --secret-bits 160 --dry-run
  keyward import old-keys.csv --scope messaging:send --secret-bits 160

A file begins with a line of column names, or is JSON Lines with the same names as fields:
  name, description, owner, environment, scopes, grants, expire_time or lifetime (such as 90d), allowed_cidrs, metadata.NAME,
  prefix, last_four, secret_bits, and one of sha256, sha512 and hmac_sha256 (with scheme)
In CSV, scopes, grants and networks have spaces between; in JSON they are lists, and metadata is an object.

Each bad row is told with its line, and keeps no good one out. What was cut short can be run again: rows that are in are
told as HASH_EXISTS.

Exit status: 0 all rows are in (with --dry-run: would be), 5 some are bad, 1 failed.";

/// Rows and bytes that one request takes.
const MAX_ROWS: usize = 1_000;
const MAX_BYTES: usize = 256 << 10;

/// Take over keys of another system
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The file, or - for standard input
    file: PathBuf,
    /// What the file is. Left out: what its name ends in, csv or jsonl
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The workspace. Left out: that of the administration key, or the default one
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// Judges every row and writes nothing
    #[arg(long)]
    dry_run: bool,
    /// Takes secrets of fewer than 112 bits too, for 90 days at most
    #[arg(long)]
    allow_weak: bool,
    #[command(flatten)]
    defaults: Defaults,
}

/// What rows are that do not say otherwise.
#[derive(Args, Debug)]
#[command(next_help_heading = "Where a row does not say")]
struct Defaults {
    /// A scope for every resource, of rows without scopes and grants
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// A scope for some resources, of rows without scopes and grants
    #[arg(long = "grant", value_name = "SCOPE@RESOURCE[,RESOURCE]", value_parser = parse::grant)]
    grants: Vec<Grant>,
    /// The environment. Left out: the first of the policy
    #[arg(long)]
    environment: Option<String>,
    /// The user or service that the keys belong to
    #[arg(long)]
    owner: Option<String>,
    /// A description for people
    #[arg(long)]
    description: Option<String>,
    /// When the keys end: an RFC 3339 time, or a duration such as 90d, 90 times 24 hours, which the server counts from the time
    /// of each one's import. Left out: never
    #[arg(long, value_name = "TIME|DURATION", value_parser = parse::expiry)]
    expires: Option<Expiry>,
    /// A source network that the keys may be used from
    #[arg(long = "cidr", value_name = "NETWORK", value_delimiter = ',')]
    cidrs: Vec<String>,
    /// The import scheme of hashes in the column `hmac_sha256`
    #[arg(long, value_name = "NAME")]
    scheme: Option<String>,
    /// How the other system's keys begin, for people
    #[arg(long)]
    prefix: Option<String>,
    /// How many random bits the other system's secrets have
    #[arg(long, value_name = "BITS")]
    secret_bits: Option<u32>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Comma-separated values, with a header
    Csv,
    /// JSON Lines: one object a line
    Jsonl,
}

impl Defaults {
    fn into_row(self) -> ImportRow {
        let scheme = self.scheme.map(|scheme| Hash::HmacSha256(HmacSha256Hash { scheme, hash: Vec::new() }));
        ImportRow {
            scopes: self.scopes,
            grants: self.grants,
            environment: self.environment.unwrap_or_default(),
            owner: self.owner.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            expire_time: self.expires.and_then(Expiry::expire_time),
            lifetime: self.expires.and_then(Expiry::lifetime),
            allowed_cidrs: self.cidrs,
            prefix: self.prefix.unwrap_or_default(),
            secret_bits: self.secret_bits.unwrap_or_default(),
            hash: scheme,
            ..ImportRow::default()
        }
    }
}

impl ImportArgs {
    fn format(&self) -> Result<Format, Failure> {
        let by_name = || match self.file.extension().and_then(|end| end.to_str()) {
            Some("csv") => Some(Format::Csv),
            Some("jsonl" | "ndjson") => Some(Format::Jsonl),
            Some(_) | None => None,
        };
        let unknown = || Failure::input("say what the file is: --format csv or --format jsonl");
        self.format.or_else(by_name).ok_or_else(unknown)
    }

    /// The file; nothing for standard input.
    fn open(&self, terminal: bool) -> Result<Option<ImportFile>, Failure> {
        if self.file.as_os_str() == "-" {
            return Ok(None);
        }
        let failed =
            |error: io::Error| Failure::input(format!("cannot read {}: {error}", self.file.display()));
        let mut file = BufReader::new(File::open(&self.file).map_err(failed)?);
        if !terminal || !file.get_ref().metadata().map_err(failed)?.is_file() {
            return Ok(Some(ImportFile { file, total: None }));
        }
        let total = lines::count(&mut file).map_err(failed)?;
        file.rewind().map_err(failed)?;
        Ok(Some(ImportFile { file, total: Some(total) }))
    }
}

pub(in crate::cli) async fn run(args: ImportArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let format = args.format()?;
    let file = args.open(session.console.err_is_terminal)?;
    let defaults = args.defaults.into_row();
    let request = ImportKeysRequest {
        workspace_id: args.workspace.unwrap_or_default(),
        rows: Vec::new(),
        dry_run: args.dry_run,
        allow_weak: args.allow_weak,
    };
    let keys = session.keys().await?;
    let tally = ImportTally::default();
    let mut import = Import { keys, request, faults: Vec::new(), bytes: 0, tally, knows_lifetimes: false };
    let done = if let Some(ImportFile { mut file, total }) = file {
        import.tally.total = total;
        import.read(&mut file, format, &defaults, session).await
    } else {
        // It is taken out of the console, which the answer needs meanwhile, and read line by line: a pipe has no end that is
        // known.
        let input = std::mem::replace(&mut session.console.input, Box::leak(Box::new(io::empty())));
        import.read(input, format, &defaults, session).await
    };
    import.tally.clear(session);
    if done.is_err() && import.tally.good > 0 {
        let what = if args.dry_run { "rows would be in" } else { "rows are in; the same command goes on" };
        session.console.note(&format!("{} {what}\n", import.tally.good));
    }
    done?;
    import.tally.sum_up(args.dry_run, session)
}

/// A file, and how many lines it has where that can be known before.
struct ImportFile {
    file: BufReader<File>,
    total: Option<u64>,
}

/// An import under way.
struct Import {
    keys: KeyServiceClient<CallerChannel>,
    /// What is to be sent next.
    request: ImportKeysRequest,
    /// Lines since the last request that are no rows.
    faults: Vec<ImportResult>,
    bytes: usize,
    tally: ImportTally,
    /// Whether the server was asked, and said so.
    knows_lifetimes: bool,
}

impl Import {
    async fn read(
        &mut self,
        input: &mut dyn BufRead,
        format: Format,
        defaults: &ImportRow,
        session: &mut Session<'_, '_>,
    ) -> Result<(), Failure> {
        let failed = |error| Failure::input(format!("cannot read the file: {error}"));
        let columns = match format {
            Format::Csv => Some(header(quotes::next(input).map_err(failed)?)?),
            Format::Jsonl => None,
        };
        let mut number = u64::from(columns.is_some());
        loop {
            let row = match format {
                Format::Csv => quotes::next(input).map_err(failed)?,
                Format::Jsonl => lines::next(input, |_| {}).map_err(failed)?.map(FileRow::Line),
            };
            let Some(row) = row else { return self.send(session).await };
            let first = number + 1;
            number = first + if let FileRow::Lines(lines, _) = &row { lines - 1 } else { 0 };
            let read = match row {
                FileRow::Line(FileLine::Text(text)) if text.trim().is_empty() => continue,
                FileRow::Line(line) => of_line(line, columns.as_deref(), defaults),
                FileRow::Lines(_, opened) => {
                    let why = format!(
                        "a line break stands in quotes: lines {first} to {number} are one row, and none of them is taken"
                    );
                    Err((column(columns.as_deref(), opened.field), why))
                }
                FileRow::Unfit(opened, why) => {
                    self.send(session).await?;
                    return Err(unfit(first, opened, &column(columns.as_deref(), opened.field), why));
                }
            };
            match read {
                Ok(row) => {
                    let row = ImportRow { line: first, ..row };
                    self.bytes = self.bytes.saturating_add(row.encoded_len());
                    self.request.rows.push(row);
                }
                Err((field, message)) => self.faults.push(unreadable(first, field, message)),
            }
            self.tally.done = number;
            let waiting = self.request.rows.len().max(self.faults.len());
            if waiting >= MAX_ROWS || self.bytes >= MAX_BYTES {
                self.send(session).await?;
            }
        }
    }

    /// Passes where the server knows lifetimes, or no row has one.
    async fn require_lifetimes(
        &mut self,
        request: &ImportKeysRequest,
        session: &mut Session<'_, '_>,
    ) -> Result<(), Failure> {
        let needed = !self.knows_lifetimes && request.rows.iter().any(|row| row.lifetime.is_some());
        session.require(needed, Younger::lifetime("ImportRow")).await?;
        self.knows_lifetimes |= needed;
        Ok(())
    }

    /// Sends what waits, and tells what became of it.
    async fn send(&mut self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let mut results = std::mem::take(&mut self.faults);
        if !self.request.rows.is_empty() {
            let next = ImportKeysRequest {
                rows: Vec::new(),
                workspace_id: self.request.workspace_id.clone(),
                ..self.request
            };
            let request = std::mem::replace(&mut self.request, next);
            self.require_lifetimes(&request, session).await?;
            let columns: Vec<_> = request.rows.iter().map(row::hash_column).collect();
            let answer = self.keys.import_keys(request).await.map_err(session.rpc())?.into_inner();
            for (mut result, hash_column) in answer.results.into_iter().zip(columns) {
                if let Some(error) = &mut result.error {
                    error.field = row::column(std::mem::take(&mut error.field), hash_column);
                }
                results.push(result);
            }
        }
        self.bytes = 0;
        results.sort_by_key(|result| result.line);
        self.tally.clear(session);
        for result in &results {
            self.tally.count(result, session)?;
        }
        self.tally.draw(session);
        Ok(())
    }
}

/// The columns that the first row of a CSV file names.
fn header(first: Option<FileRow>) -> Result<Vec<String>, Failure> {
    match first {
        Some(FileRow::Line(FileLine::Text(text))) => {
            row::columns(&text).map_err(|why| Failure::input(format!("line 1: {why}")))
        }
        Some(FileRow::Line(FileLine::NotUtf8)) => Err(Failure::input(
            "line 1 is not UTF-8: save the file as UTF-8, with commas between the columns",
        )),
        Some(FileRow::Line(FileLine::TooLong) | FileRow::Lines(..) | FileRow::Unfit(..)) | None => {
            Err(Failure::input("line 1 is no line of column names"))
        }
    }
}

/// The row of a line, as JSON where there are no columns.
fn of_line(line: FileLine, columns: Option<&[String]>, defaults: &ImportRow) -> Result<ImportRow, LineFault> {
    match (line, columns) {
        (FileLine::Text(text), Some(columns)) => row::of_csv(columns, &text, defaults),
        (FileLine::Text(text), None) => row::of_json(&text, defaults),
        (FileLine::TooLong, _) => Err((String::new(), format!("longer than {} bytes", lines::LONGEST))),
        (FileLine::NotUtf8, _) => Err((String::new(), "not UTF-8".to_owned())),
    }
}

fn column(columns: Option<&[String]>, place: usize) -> String {
    row::column_at(columns.unwrap_or_default(), place).to_owned()
}

/// The rest of the file is not taken: it may be within a text.
fn unfit(first: u64, opened: quotes::QuoteStart, column: &str, why: &str) -> Failure {
    let line = first + opened.line;
    Failure::input(format!(
        "line {line}: {column}: the quote that opens here {why}. Where the next row begins cannot be known, so nothing \
         from line {first} on was taken: mend the line, and run the same command again"
    ))
}

fn unreadable(line: u64, field: String, message: String) -> ImportResult {
    let name = ErrorReason::FieldInvalid.as_str_name();
    let reason = name.strip_prefix("ERROR_REASON_").unwrap_or(name).to_owned();
    let error = ImportError { field, message, reason, existing_key_id: String::new() };
    ImportResult { line, key_id: String::new(), error: Some(error) }
}
