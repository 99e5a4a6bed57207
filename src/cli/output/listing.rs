//! Lists for eyes: whole for what reads standard output, fitted to the terminal for a person.
//!
//! Fitted, the columns that matter least are left out until the others fit at their narrowest; what is left of the line
//! goes to the columns that matter most. Nothing is left out or shortened where all of it fits.

use std::iter;

use jiff::Timestamp;

use super::{
    onlooker::{Onlooker, Tone},
    table::GAP,
    text::{printable, shortened, width},
    time,
};

/// How narrow a text may get.
const NARROWEST_TEXT: usize = 10;

/// How much of an id is shown at least.
const SHORTEST_TAIL: usize = 6;

/// A column of a list.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Column {
    name: &'static str,
    /// 1 is what a reader can least do without.
    rank: u8,
    narrows: Narrows,
}

/// What a column may do to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Narrows {
    /// Nothing.
    Never,
    /// It takes the short form of its cells.
    Short,
    /// It cuts its texts off.
    Cut,
}

impl Column {
    /// A column whose cells stay whole, or take their short form.
    pub(in crate::cli) const fn new(name: &'static str, rank: u8) -> Self {
        Self { name, rank, narrows: Narrows::Short }
    }

    /// A column whose cells are always whole.
    pub(in crate::cli) const fn whole(name: &'static str, rank: u8) -> Self {
        Self { name, rank, narrows: Narrows::Never }
    }

    /// A column of texts, which may be cut off.
    pub(in crate::cli) const fn text(name: &'static str, rank: u8) -> Self {
        Self { name, rank, narrows: Narrows::Cut }
    }
}

/// What is in one place of a list.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Cell {
    text: Words,
    tone: Tone,
}

#[derive(Clone, Debug)]
enum Words {
    Text(String),
    Id(String),
    Forms { whole: String, short: String },
    Time(Option<prost_types::Timestamp>),
}

impl Cell {
    /// An id: its end is enough where that tells it from the others of its column.
    pub(in crate::cli) fn id(id: &str) -> Self {
        Self { text: Words::Id(id.to_owned()), tone: Tone::Plain }
    }

    /// A point in time: for a person how long ago it was, or how long it takes until then.
    pub(in crate::cli) const fn time(time: Option<prost_types::Timestamp>) -> Self {
        Self { text: Words::Time(time), tone: Tone::Plain }
    }

    /// What has a shorter form.
    pub(in crate::cli) fn forms(whole: String, short: String) -> Self {
        Self { text: Words::Forms { whole, short }, tone: Tone::Plain }
    }

    /// The same in another tone.
    pub(in crate::cli) const fn toned(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// The cell in both of its forms, printable.
    fn shown(self, now: Option<Timestamp>) -> Shown {
        let (whole, short, id) = match self.text {
            Words::Text(text) => (text, None, false),
            Words::Id(id) => (id, None, true),
            Words::Forms { whole, short } => (whole, Some(short), false),
            Words::Time(time) => (time::seen(time.as_ref(), now), None, false),
        };
        let marked = |text: String| if text.is_empty() { "-".to_owned() } else { printable(&text) };
        let whole = marked(whole);
        let short = short.map_or_else(|| whole.clone(), marked);
        Shown { whole, short, id, tone: self.tone }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text: Words::Text(text), tone: Tone::Plain }
    }
}

/// A cell as it can be printed.
struct Shown {
    whole: String,
    short: String,
    id: bool,
    tone: Tone,
}

/// The id as far as its last characters tell it.
pub(in crate::cli) fn short_id(id: &str) -> String {
    short(id, SHORTEST_TAIL)
}

fn short(id: &str, tail: usize) -> String {
    let Some((kind, number)) = id.split_once('_') else { return id.to_owned() };
    match number.len().checked_sub(tail).and_then(|from| number.get(from..)) {
        Some(end) if end.len() + 1 < number.len() => format!("{kind}_…{end}"),
        _ => id.to_owned(),
    }
}

/// Rows under the names of their columns.
pub(in crate::cli) struct Listing<'c, const N: usize> {
    columns: &'c [Column; N],
    rows: Vec<[Cell; N]>,
}

/// A list as it is printed.
pub(in crate::cli) struct Printed {
    /// Its lines, each ended by a line break.
    pub(in crate::cli) text: String,
    /// The names of the columns that are not there.
    pub(in crate::cli) left_out: Vec<&'static str>,
}

impl<'c, const N: usize> Listing<'c, N> {
    pub(in crate::cli) const fn new(columns: &'c [Column; N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub(in crate::cli) fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(cells);
    }

    /// The list as this onlooker wants it.
    pub(in crate::cli) fn print(self, onlooker: &Onlooker) -> Printed {
        let now = onlooker.fitted.map(|(_, now)| now);
        let rows: Vec<Vec<Shown>> =
            self.rows.into_iter().map(|row| row.into_iter().map(|cell| cell.shown(now)).collect()).collect();
        let mut places: Vec<Fitted> = self.columns.iter().map(Fitted::of).collect();
        for (at, place) in places.iter_mut().enumerate() {
            place.measure(rows.iter().filter_map(|row| row.get(at)));
        }
        if let Some((columns, _)) = onlooker.fitted {
            fit(&mut places, columns);
        }
        let left_out =
            places.iter().filter(|place| place.width.is_none()).map(|place| place.column.name).collect();
        let head = places.iter().map(|place| (place.column.name.to_owned(), Tone::Heading));
        let mut text = line(&places, head, onlooker);
        for row in &rows {
            let cells = row.iter().zip(&places).map(|(cell, place)| (place.cell(cell), cell.tone));
            text.push_str(&line(&places, cells, onlooker));
        }
        Printed { text, left_out }
    }
}

/// One line of those places that are shown, ended by a line break. The last one is not padded.
fn line(places: &[Fitted], cells: impl Iterator<Item = (String, Tone)>, onlooker: &Onlooker) -> String {
    let mut line = String::new();
    let mut gap = 0;
    for (place, (text, tone)) in places.iter().zip(cells) {
        if let Some(columns) = place.width {
            line.extend(iter::repeat_n(' ', gap));
            line.push_str(&onlooker.toned(&text, tone));
            gap = columns.saturating_sub(width(&text)) + GAP;
        }
    }
    line.push('\n');
    line
}

/// A column, and how wide it is to be.
struct Fitted<'c> {
    column: &'c Column,
    /// The width of its widest cell.
    natural: usize,
    /// How narrow it can get.
    narrowest: usize,
    /// How much of its ids tells them apart.
    tail: usize,
    /// How wide it is; none where it is left out.
    width: Option<usize>,
}

impl<'c> Fitted<'c> {
    const fn of(column: &'c Column) -> Self {
        Self { column, natural: 0, narrowest: 0, tail: SHORTEST_TAIL, width: None }
    }

    fn measure<'s>(&mut self, cells: impl Iterator<Item = &'s Shown> + Clone) {
        let name = width(self.column.name);
        let widest = |widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or(0).max(name);
        self.tail = telling(cells.clone().filter(|cell| cell.id).map(|cell| cell.whole.as_str()));
        self.natural = widest(&mut cells.clone().map(|cell| width(&cell.whole)));
        self.narrowest = match self.column.narrows {
            Narrows::Never => self.natural,
            Narrows::Short => widest(&mut cells.map(|cell| width(&self.short_of(cell)))),
            Narrows::Cut => self.natural.min(name.max(NARROWEST_TEXT)),
        };
        self.width = Some(self.natural);
    }

    fn short_of(&self, cell: &Shown) -> String {
        if cell.id { short(&cell.whole, self.tail) } else { cell.short.clone() }
    }

    /// What stands there.
    fn cell(&self, cell: &Shown) -> String {
        match self.width {
            Some(room) if room < self.natural => match self.column.narrows {
                Narrows::Never => cell.whole.clone(),
                Narrows::Short => self.short_of(cell),
                Narrows::Cut => shortened(&cell.whole, room),
            },
            _ => cell.whole.clone(),
        }
    }
}

/// How many characters at the end of these ids tell each from the others.
fn telling<'i>(ids: impl Iterator<Item = &'i str>) -> usize {
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let longest = ids.iter().map(|id| id.len()).max().unwrap_or(0);
    let tells = |tail: usize| {
        let mut ends: Vec<String> = ids.iter().map(|id| short(id, tail)).collect();
        ends.sort_unstable();
        let all = ends.len();
        ends.dedup();
        ends.len() == all
    };
    (SHORTEST_TAIL..longest).find(|tail| tells(*tail)).unwrap_or(longest)
}

/// Leaves out what does not fit, and hands the room to what matters most.
fn fit(places: &mut [Fitted], columns: usize) {
    let taken = |places: &[Fitted], of: fn(&Fitted) -> usize| {
        let widths: Vec<usize> = places.iter().filter(|place| place.width.is_some()).map(of).collect();
        widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    };
    if taken(places, |place| place.natural) <= columns {
        return;
    }
    while taken(places, |place| place.narrowest) > columns {
        let mut there: Vec<&mut Fitted> = places.iter_mut().filter(|place| place.width.is_some()).collect();
        if there.len() < 2 {
            break;
        }
        if let Some(least) = there.iter_mut().max_by_key(|place| place.column.rank) {
            least.width = None;
        }
    }
    let mut left = columns.saturating_sub(taken(places, |place| place.narrowest));
    let mut by_rank: Vec<&mut Fitted> = places.iter_mut().filter(|place| place.width.is_some()).collect();
    by_rank.sort_by_key(|place| place.column.rank);
    for place in by_rank {
        let wanted = place.natural - place.narrowest;
        let given = match place.column.narrows {
            Narrows::Cut => wanted.min(left),
            Narrows::Short if wanted <= left => wanted,
            Narrows::Short | Narrows::Never => 0,
        };
        left -= given;
        place.width = Some(place.narrowest + given);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] =
        [Column::new("ID", 1), Column::text("NAME", 2), Column::whole("STATE", 3), Column::text("OWNER", 4)];
    const ONE: &str = "key_01j9z8k3m5x7q2w4e6r8t0yabc";
    const TWO: &str = "key_09j9z8k3m5x7q2w4e6r8t0ydef";

    fn listed() -> Listing<'static, 4> {
        let mut list = Listing::new(&COLUMNS);
        let name = "a name that takes more room than there is".to_owned();
        list.row([
            Cell::id(ONE),
            name.into(),
            Cell::from("revoked".to_owned()).toned(Tone::Bad),
            "ann".to_owned().into(),
        ]);
        list.row([
            Cell::id(TWO),
            "鍵\u{1b}".to_owned().into(),
            "active".to_owned().into(),
            String::new().into(),
        ]);
        list
    }

    fn onlooker(columns: usize, colours: bool) -> Onlooker {
        let terminal = crate::cli::console::Terminal { columns, takes_colours: colours };
        Onlooker::at(terminal, false, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn what_is_no_terminal_gets_everything() {
        let printed = listed().print(&Onlooker::WHOLE);
        assert_eq!(printed.left_out, [""; 0]);
        let expected = format!(
            "ID                              NAME                                       STATE    OWNER\n\
             {ONE}  a name that takes more room than there is  revoked  ann\n\
             {TWO}  鍵\\u{{1b}}                                   active   -\n"
        );
        assert_eq!(printed.text, expected);
    }

    #[test]
    fn lines_fit_and_what_matters_least_goes_first() {
        for columns in [20, 30, 40, 52, 60, 80, 100, 200] {
            let printed = listed().print(&onlooker(columns, false));
            for line in printed.text.lines() {
                assert!(width(line) <= columns, "{columns}: {line}");
            }
        }
        let at = |columns| listed().print(&onlooker(columns, false));
        assert_eq!(at(80).left_out, [""; 0]);
        assert_eq!(at(30).left_out, ["STATE", "OWNER"]);
        let expected = "\
ID           NAME          STATE
key_…t0yabc  a name that…  revoked
key_…t0ydef  鍵\\u{1b}      active
";
        assert_eq!(at(34).text, expected);
    }

    #[test]
    fn ids_are_shortened_only_as_far_as_they_tell_keys_apart() {
        let mut list = Listing::new(&COLUMNS);
        for id in ["key_aaaaaaaaaaaaaaaaaaaa1yyyyyy", "key_aaaaaaaaaaaaaaaaaaaa2yyyyyy"] {
            list.row([Cell::id(id), "n".repeat(80).into(), String::new().into(), String::new().into()]);
        }
        let text = list.print(&onlooker(50, false)).text;
        assert!(text.contains("key_…1yyyyyy ") && text.contains("key_…2yyyyyy "), "{text}");
        assert_eq!(short_id("key_1"), "key_1", "nothing is gained");
        assert_eq!(short_id("-"), "-");
    }

    #[test]
    fn colours_stand_around_text_and_change_no_width() {
        let plain = listed().print(&onlooker(60, false)).text;
        let coloured = listed().print(&onlooker(60, true)).text;
        assert!(coloured.contains("\u{1b}[31mrevoked\u{1b}[0m"), "{coloured:?}");
        assert!(coloured.starts_with("\u{1b}[1mID\u{1b}[0m"));
        let mut stripped = coloured;
        for code in ["\u{1b}[31m", "\u{1b}[1m", "\u{1b}[0m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, plain, "and an escape in a name stays spelled out");
    }

    #[test]
    fn a_person_sees_how_long_ago_it_was_and_a_script_when() {
        const TIMES: [Column; 1] = [Column::whole("CREATED", 1)];
        let at = |onlooker: &Onlooker| {
            let mut list = Listing::new(&TIMES);
            list.row([Cell::time(Some(prost_types::Timestamp { seconds: -7200, nanos: 0 }))]);
            list.print(onlooker).text
        };
        assert_eq!(at(&onlooker(80, false)), "CREATED\n2h ago\n");
        assert_eq!(at(&Onlooker::WHOLE), "CREATED\n1969-12-31T22:00:00Z\n");
    }
}
