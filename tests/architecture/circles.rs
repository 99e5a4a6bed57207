//! No circle among files: following the arrows from file to file, nobody comes back to where they began.
//!
//! An arrow is a name: a file names an item that is defined in another. Whom it names through is transparent: `mod x;` is no
//! arrow, nor is `pub use`, which leads on to the file that defines the item. Methods that are called on values are no arrows,
//! visibilities are none, and what is compiled for tests alone is left out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    paths::{absolute, chain, use_tree},
    source,
    tokens::{Token, is_word, tokens},
};

/// A path from the root of the crate.
type Path<'a> = Vec<&'a str>;

/// What one file names, and what others find in it.
#[derive(Default)]
struct Names<'a> {
    /// Each path that it names, with the line.
    paths: Vec<(usize, Path<'a>)>,
    /// What it hands on: the path behind each name.
    handed_on: BTreeMap<&'a str, Path<'a>>,
}

/// The files that each file names, each with the line and the path by which it does.
type Arrows<'a> = BTreeMap<&'a str, BTreeMap<&'a str, (usize, String)>>;

#[test]
fn no_circle_among_files() {
    let found = circles(&source());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Every circle, the shortest through each file that is in one: arrow by arrow, each as a line to read.
pub(crate) fn circles(files: &[(String, String)]) -> Vec<String> {
    let arrows = within_circles(arrows(files));
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for file in arrows.keys() {
        let circle = shortest(file, &arrows);
        if circle.is_empty() || circle.iter().any(|file| told.contains(file)) {
            continue;
        }
        let next = circle.iter().cycle().skip(1);
        let lines = circle.iter().zip(next).map(|(file, next)| {
            let (line, path) = &arrows[file][next];
            format!("  {file}:{line} names `{path}` of {next}")
        });
        found.push(format!("a circle of {}:\n{}", circle.len(), lines.collect::<Vec<_>>().join("\n")));
        told.extend(circle);
    }
    found
}

/// The arrows without those from and to files that name no other of those left.
fn within_circles(mut arrows: Arrows<'_>) -> Arrows<'_> {
    loop {
        let left: BTreeSet<&str> = arrows.keys().copied().collect();
        for targets in arrows.values_mut() {
            targets.retain(|target, _| left.contains(target));
        }
        arrows.retain(|_, targets| !targets.is_empty());
        if arrows.len() == left.len() {
            return arrows;
        }
    }
}

/// The fewest files by which one leads back to itself; none where it does not.
fn shortest<'a>(file: &'a str, arrows: &Arrows<'a>) -> Vec<&'a str> {
    let mut came_from = BTreeMap::new();
    let mut next = VecDeque::from([file]);
    while let Some(here) = next.pop_front() {
        for target in arrows.get(here).into_iter().flat_map(BTreeMap::keys) {
            if *target == file {
                let before = |here: &&'a str| came_from.get(here).copied();
                let mut circle: Vec<_> = std::iter::successors(Some(here), before).collect();
                circle.reverse();
                return circle;
            }
            if !came_from.contains_key(target) {
                came_from.insert(*target, here);
                next.push_back(target);
            }
        }
    }
    Vec::new()
}

fn arrows(files: &[(String, String)]) -> Arrows<'_> {
    let code: Vec<(&str, Path<'_>, Vec<Token<'_>>)> =
        files.iter().map(|(file, text)| (file.as_str(), home(file), tokens(text))).collect();
    let for_tests: Vec<Path<'_>> =
        code.iter().flat_map(|(_, home, tokens)| test_modules(home, tokens)).collect();
    let live = |home: &Path<'_>| !for_tests.iter().any(|module| home.starts_with(module));
    let code: Vec<_> = code.into_iter().filter(|(_, home, _)| live(home)).collect();
    let modules: BTreeMap<Path<'_>, &str> = code
        .iter()
        .filter(|(file, ..)| *file != "main.rs")
        .map(|(file, home, _)| (home.clone(), *file))
        .collect();
    let named: BTreeMap<&str, Names<'_>> = code
        .iter()
        .map(|(file, home, tokens)| (*file, names(home, &without_tests(tokens), &modules)))
        .collect();
    let mut arrows = Arrows::new();
    for (file, names) in &named {
        for (line, path) in &names.paths {
            let target = definer(path, &modules, &named, 0).filter(|target| target != file);
            if let Some(target) = target {
                let of_file = arrows.entry(*file).or_default();
                of_file.entry(target).or_insert_with(|| (*line, path.join("::")));
            }
        }
    }
    arrows
}

/// The module that a file is.
fn home(file: &str) -> Path<'_> {
    let parts = file.trim_end_matches(".rs").split('/');
    parts.filter(|part| !["lib", "main", "mod"].contains(part)).collect()
}

/// The file that defines the item of this path: that of the deepest module on it, or where that hands the name on, the next.
fn definer<'a>(
    path: &[&'a str],
    modules: &BTreeMap<Path<'a>, &'a str>,
    named: &BTreeMap<&'a str, Names<'a>>,
    passed: usize,
) -> Option<&'a str> {
    let depth = (0..=path.len()).rev().find(|depth| modules.contains_key(&path[..*depth]))?;
    let file = modules[&path[..depth]];
    let name = path.get(depth).copied().unwrap_or_default();
    match named.get(file).and_then(|names| names.handed_on.get(name)) {
        // Who hands a name on in a circle defines it nowhere, and does not compile.
        Some(next) if passed < 16 => {
            let next: Path<'a> = next.iter().chain(&path[depth + 1..]).copied().collect();
            definer(&next, modules, named, passed + 1)
        }
        Some(_) | None => Some(file),
    }
}

/// Every path that a file names, beginning at the root of the crate, and every name that it hands on.
fn names<'a>(home: &[&'a str], tokens: &[Token<'a>], modules: &BTreeMap<Path<'a>, &'a str>) -> Names<'a> {
    let mut found = Names::default();
    let mut known: BTreeMap<&str, Path<'_>> = BTreeMap::new();
    let mut spelled = Vec::new();
    let mut here = home.to_vec();
    // The inline modules that are open, with the depth of braces around each.
    let mut open: Vec<usize> = Vec::new();
    let mut depth = 0_usize;
    let (mut before, mut is_public) = ("", false);
    let mut rest = tokens;
    while let [token, after @ ..] = rest {
        rest = after;
        match (token.text, after) {
            ("mod", [name, Token { text: "{", .. }, ..]) => {
                open.push(depth);
                here.push(name.text);
            }
            ("{", _) => depth += 1,
            ("}", _) => {
                depth = depth.saturating_sub(1);
                if open.pop_if(|around| *around == depth).is_some() {
                    here.pop();
                }
            }
            ("pub", _) => {
                is_public = true;
                rest = after_visibility(after);
                continue;
            }
            ("use", [next, ..]) if next.text != "<" => {
                let mut leaves = Vec::new();
                rest = use_tree(after, Vec::new(), &mut leaves);
                for mut leaf in leaves {
                    leaf.path.pop_if(|last| *last == "self");
                    let name = leaf.alias.or(leaf.path.last().copied()).unwrap_or_default();
                    let Some(path) = rooted(leaf.path, &here, modules) else { continue };
                    known.insert(name, path.clone());
                    if is_public {
                        found.handed_on.insert(name, path);
                    } else {
                        found.paths.push((token.line, path));
                    }
                }
            }
            (first, [Token { text: "::", .. }, ..]) if is_word(first) && before != "::" => {
                let (path, end) = chain(first, after);
                spelled.push((token.line, path, here.clone()));
                rest = end;
            }
            // A name that the file hands on and uses itself.
            (name, _) if ![".", "::", "mod", "fn"].contains(&before) && is_use(name, after) => {
                spelled.push((token.line, vec![name], here.clone()));
            }
            _ => {}
        }
        (before, is_public) = (token.text, false);
    }
    for (line, path, here) in spelled {
        let is_alone = path.len() == 1;
        let (first, after) = (path[0], &path[1..]);
        let path = match known.get(first) {
            Some(_) if is_alone && !found.handed_on.contains_key(first) => None,
            Some(known) => Some(known.iter().chain(after).copied().collect()),
            None if is_alone => None,
            None => rooted(path, &here, modules),
        };
        found.paths.extend(path.map(|path| (line, path)));
    }
    found
}

/// Whether a word that stands alone is a type, a constant or a function that is called.
fn is_use(name: &str, after: &[Token<'_>]) -> bool {
    let is_called = matches!(after, [Token { text: "(", .. }, ..]);
    is_word(name) && (is_called || name.starts_with(char::is_uppercase))
}

/// Skips what limits a `pub`: it names a module, and nothing of it.
fn after_visibility<'t, 'a>(rest: &'t [Token<'a>]) -> &'t [Token<'a>] {
    match rest {
        [Token { text: "(", .. }, Token { text: "crate" | "super" | "self" | "in", .. }, ..] => {
            let end = rest.iter().position(|token| token.text == ")").unwrap_or(0);
            &rest[end + 1..]
        }
        _ => rest,
    }
}

/// A path from the root of this crate; none where it leads into another.
fn rooted<'a>(path: Path<'a>, here: &[&'a str], modules: &BTreeMap<Path<'a>, &'a str>) -> Option<Path<'a>> {
    let child: Path<'a> = here.iter().chain(path.first()).copied().collect();
    let path = if modules.contains_key(&child) {
        ["crate"].into_iter().chain(here.iter().copied()).chain(path).collect()
    } else {
        absolute(path, here)
    };
    path.strip_prefix(&["crate"]).map(<[&str]>::to_vec)
}

/// The modules that a file declares for tests alone.
fn test_modules<'a>(home: &[&'a str], tokens: &[Token<'a>]) -> Vec<Path<'a>> {
    let mut found = Vec::new();
    let mut rest = tokens;
    while let [_, after @ ..] = rest {
        if let Some(item) = item_for_tests(rest)
            && let Some([Token { text: "mod", .. }, name, ..]) =
                item.iter().position(|token| token.text == "mod").map(|place| &item[place..])
        {
            found.push(home.iter().copied().chain([name.text]).collect());
        }
        rest = after;
    }
    found
}

/// The code without the items that are compiled for tests alone.
fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let [token, after @ ..] = rest {
        rest = if let Some(item) = item_for_tests(rest) {
            &rest[rest.len() - after_item(item).len()..]
        } else {
            kept.push(Token { ..*token });
            after
        };
    }
    kept
}

/// What follows `#[cfg(test)]`, where that stands here.
fn item_for_tests<'t, 'a>(rest: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
    let text = |place: usize| rest.get(place).map_or("", |token| token.text);
    if text(0) != "#" || !(0..4).map(text).eq(["#", "[", "cfg", "("]) {
        return None;
    }
    let is_of_tests = text(4) == "test" || (4..7).map(text).eq(["all", "(", "test"]);
    let end = rest.iter().position(|token| token.text == "]")?;
    is_of_tests.then(|| &rest[end + 1..])
}

/// What follows an item: a `;`, or its braces.
fn after_item<'t, 'a>(rest: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let mut depth = 0_usize;
    for (place, token) in rest.iter().enumerate() {
        match token.text {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => {}
            _ => continue,
        }
        if depth == 0 {
            return &rest[place + 1..];
        }
    }
    &[]
}
