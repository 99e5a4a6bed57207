//! The paths that a file names.

use super::tokens::{Token, is_word};

/// A path that the source names, beginning with `crate` where it leads into this crate.
pub(crate) struct NamedPath<'a> {
    pub(crate) line: usize,
    pub(crate) segments: Vec<&'a str>,
}

/// Every path of the file: the leaves of its `use` trees, those written out in code, and the names of attributes.
pub(crate) fn paths<'a>(file: &'a str, tokens: &[Token<'a>]) -> Vec<NamedPath<'a>> {
    let mut found = Vec::new();
    let mut home: Vec<&str> = file
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| !["lib", "main", "mod"].contains(part))
        .collect();
    // The inline modules that are open, with the depth of braces around each.
    let mut open: Vec<usize> = Vec::new();
    let mut depth = 0_usize;
    let mut rest = tokens;
    while let [token, after @ ..] = rest {
        rest = after;
        let mut segments = Vec::new();
        match (token.text, after) {
            ("mod", [name, Token { text: "{", .. }, ..]) => {
                open.push(depth);
                home.push(name.text);
            }
            ("{", _) => depth += 1,
            ("}", _) => {
                depth = depth.saturating_sub(1);
                if open.pop_if(|around| *around == depth).is_some() {
                    home.pop();
                }
            }
            ("use", [next, ..]) if next.text != "<" => {
                let mut leaves = Vec::new();
                rest = use_tree(after, Vec::new(), &mut leaves);
                segments.extend(leaves.into_iter().map(|leaf| leaf.path));
            }
            ("extern", [Token { text: "crate", .. }, name, ..])
            | ("#", [Token { text: "[", .. }, name, Token { text: "(", .. }, ..]) => {
                segments.push(vec![name.text]);
            }
            (first, [Token { text: "::", .. }, ..]) if is_word(first) => {
                let (chain, end) = chain(first, after);
                segments.push(chain);
                rest = end;
            }
            _ => {}
        }
        let named = segments.into_iter().map(|path| absolute(path, &home));
        found.extend(named.map(|segments| NamedPath { line: token.line, segments }));
    }
    found
}

/// What a `use` takes in.
pub(crate) struct Leaf<'a> {
    pub(crate) path: Vec<&'a str>,
    /// The name that it is given in this file, where that is another.
    pub(crate) alias: Option<&'a str>,
}

/// Reads one branch of a `use` as far as what ends it, collects its leaves, and gives the rest.
pub(crate) fn use_tree<'t, 'a>(
    mut rest: &'t [Token<'a>],
    mut path: Vec<&'a str>,
    leaves: &mut Vec<Leaf<'a>>,
) -> &'t [Token<'a>] {
    let mut alias = None;
    loop {
        match rest {
            [] | [Token { text: "," | "}" | ";", .. }, ..] => break,
            [Token { text: "{", .. }, inner @ ..] => return branches(inner, &path, leaves),
            [Token { text: "as", .. }, name, after @ ..] => {
                alias = Some(name.text);
                rest = after;
            }
            [token, after @ ..] => {
                if is_word(token.text) || token.text == "*" {
                    path.push(token.text);
                }
                rest = after;
            }
        }
    }
    leaves.push(Leaf { path, alias });
    rest
}

fn branches<'t, 'a>(
    mut rest: &'t [Token<'a>],
    stem: &[&'a str],
    leaves: &mut Vec<Leaf<'a>>,
) -> &'t [Token<'a>] {
    loop {
        match rest {
            [] | [Token { text: ";", .. }, ..] => return rest,
            [Token { text: "}", .. }, after @ ..] => return after,
            [Token { text: ",", .. }, after @ ..] => rest = after,
            _ => rest = use_tree(rest, stem.to_vec(), leaves),
        }
    }
}

/// A path written out in code, `a::b::c`, and the rest.
pub(crate) fn chain<'t, 'a>(first: &'a str, mut rest: &'t [Token<'a>]) -> (Vec<&'a str>, &'t [Token<'a>]) {
    let mut path = vec![first];
    while let [Token { text: "::", .. }, next, after @ ..] = rest
        && is_word(next.text)
    {
        path.push(next.text);
        rest = after;
    }
    (path, rest)
}

/// The path from the root of the crate, for one that begins with `crate`, `self`, `super` or the crate's name.
pub(crate) fn absolute<'a>(path: Vec<&'a str>, home: &[&'a str]) -> Vec<&'a str> {
    let mut from = home.to_vec();
    let mut rest = path.as_slice();
    match rest {
        ["crate" | "keyward", after @ ..] => {
            from.clear();
            rest = after;
        }
        ["self" | "super", ..] => {}
        _ => return path,
    }
    while let [step @ ("self" | "super"), after @ ..] = rest {
        if *step == "super" {
            from.pop();
        }
        rest = after;
    }
    ["crate"].into_iter().chain(from).chain(rest.iter().copied()).collect()
}
