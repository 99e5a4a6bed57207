//! The directives of a configuration, with what it includes in its place.

use std::{fs, path::Path, rc::Rc};

use super::{
    names::matches,
    tokens::{self, Placed, Token},
};

/// How deep files may include each other, and blocks stand in each other.
const MAX_DEPTH: usize = 32;

/// A directive, and what stands in its block.
#[derive(Debug, Clone)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) file: Rc<str>,
    pub(super) line: usize,
    pub(super) block: Vec<Directive>,
    /// Whether a comment on its line says that what it passes on to is not Keyward's.
    pub(super) unguarded: bool,
}

impl Directive {
    /// As the file has it, without its block.
    pub(super) fn text(&self) -> String {
        let words = std::iter::once(&self.name).chain(&self.args).map(String::as_str);
        words.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn first(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }

    pub(super) fn last(&self) -> &str {
        self.args.last().map_or("", String::as_str)
    }
}

/// A whole configuration.
pub(super) struct Tree {
    pub(super) directives: Vec<Directive>,
    pub(super) files: Vec<String>,
}

/// Reads a main file and what it includes.
///
/// # Errors
/// In words, where a file cannot be read or nginx would not take it.
pub(super) fn read(main: &Path) -> Result<Tree, String> {
    let home = main.parent().unwrap_or(Path::new(""));
    let mut files = Files { home, read: Vec::new() };
    let directives = files.directives(main, 0)?;
    Ok(Tree { directives, files: files.read })
}

/// The directives of one text that includes nothing.
pub(super) fn of_text(text: &str) -> Result<Vec<Directive>, String> {
    let tokens = tokens::tokens(text)?;
    Parser { file: "".into(), tokens: &tokens, depth: 0 }.block(&mut |_| Ok(Vec::new()))
}

struct Files<'a> {
    /// Where relative names are looked for: the folder of the main file, also for names in other files.
    home: &'a Path,
    read: Vec<String>,
}

impl Files<'_> {
    fn directives(&mut self, path: &Path, depth: usize) -> Result<Vec<Directive>, String> {
        let name = path.display().to_string();
        if depth > MAX_DEPTH {
            return Err(format!("{name}: files include each other more than {MAX_DEPTH} deep"));
        }
        let bytes = fs::read(path).map_err(|error| format!("cannot read {name}: {error}"))?;
        let text = String::from_utf8_lossy(&bytes);
        let tokens = tokens::tokens(&text).map_err(|why| format!("{name}: {why}"))?;
        if !self.read.contains(&name) {
            self.read.push(name.clone());
        }
        let mut parser = Parser { file: name.as_str().into(), tokens: &tokens, depth: 0 };
        let found = parser.block(&mut |included| self.included(included, depth));
        let found = found.map_err(|why| if why.starts_with('\0') { why } else { format!("\0{name}: {why}") });
        // The innermost file names itself, and none of those that include it does so again.
        found.map_err(|why| if depth == 0 { why.trim_start_matches('\0').to_owned() } else { why })
    }

    /// What stands in the place of an `include`: all files of the pattern, by name; one without a pattern must be there.
    fn included(&mut self, pattern: &str, depth: usize) -> Result<Vec<Directive>, String> {
        let path = self.home.join(pattern);
        if !pattern.contains(['*', '?', '[']) {
            return self.directives(&path, depth + 1);
        }
        let mut directives = Vec::new();
        for path in matches(&path)? {
            directives.extend(self.directives(&path, depth + 1)?);
        }
        Ok(directives)
    }
}

struct Parser<'a> {
    file: Rc<str>,
    tokens: &'a [Placed],
    depth: usize,
}

type Include<'f> = &'f mut dyn FnMut(&str) -> Result<Vec<Directive>, String>;

impl Parser<'_> {
    /// The directives up to the end of the block, or of the file.
    fn block(&mut self, include: Include<'_>) -> Result<Vec<Directive>, String> {
        let mut directives: Vec<Directive> = Vec::new();
        let mut words: Vec<(usize, String)> = Vec::new();
        while let [(line, token), rest @ ..] = self.tokens {
            self.tokens = rest;
            match token {
                Token::Word(word) => words.push((*line, word.clone())),
                Token::Unguarded => {
                    let of_line = directives.iter_mut().rev().take_while(|known| known.line == *line);
                    of_line.for_each(|known| known.unguarded = true);
                }
                Token::Close if words.is_empty() && self.depth > 0 => return Ok(directives),
                Token::Close => return Err(format!("line {line}: unexpected \"}}\"")),
                Token::End | Token::Open => {
                    let mut made = self.directive(*line, std::mem::take(&mut words))?;
                    if *token == Token::Open {
                        made.block = self.inner(*line, include)?;
                        directives.push(made);
                    } else if made.name == "include" {
                        directives.extend(include(made.first())?);
                    } else {
                        directives.push(made);
                    }
                }
            }
        }
        match words.first() {
            Some((line, _)) => Err(format!("line {line}: the directive does not end with \";\" or a block")),
            None if self.depth > 0 => Err("the file ends within a block: a \"}\" is missing".to_owned()),
            None => Ok(directives),
        }
    }

    fn inner(&mut self, line: usize, include: Include<'_>) -> Result<Vec<Directive>, String> {
        if self.depth == MAX_DEPTH {
            return Err(format!("line {line}: blocks stand in each other more than {MAX_DEPTH} deep"));
        }
        self.depth += 1;
        let inner = self.block(include)?;
        self.depth -= 1;
        Ok(inner)
    }

    fn directive(&self, line: usize, words: Vec<(usize, String)>) -> Result<Directive, String> {
        let began = words.first().map_or(line, |(line, _)| *line);
        let mut words = words.into_iter().map(|(_, word)| word);
        let name = words.next().ok_or_else(|| format!("line {line}: a directive has no name"))?;
        let file = Rc::clone(&self.file);
        Ok(Directive { name, args: words.collect(), file, line: began, block: Vec::new(), unguarded: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nginx_would_not_take_is_an_error_with_its_line() {
        for (text, expected) in [
            ("a {\n b;\n", "a \"}\" is missing"),
            ("a;\n}", "line 2: unexpected \"}\""),
            ("a b }", "line 1: unexpected \"}\""),
            ("a {\n b }", "line 2: unexpected"),
            ("a;\n;", "line 2: a directive has no name"),
            ("a\nb", "line 1: the directive does not end"),
            (&"a {".repeat(50), "more than 32 deep"),
        ] {
            let why = of_text(text).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }

    #[test]
    fn files_are_included_from_the_folder_of_the_main_one_wherever_they_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir_all(folder.path().join("sites/more")).unwrap();
        write("nginx.conf", "a;\ninclude sites/*.conf;\ninclude none/*.conf;\nz;");
        write("sites/2.conf", "two {\n include sites/more/[x-z].txt; }");
        write("sites/1.conf", "one;");
        write("sites/3.txt", "three;");
        write("sites/more/y.txt", "\ny;");
        write("sites/more/a.txt", "\na;");
        let tree = read(&folder.path().join("nginx.conf")).unwrap();
        let names: Vec<_> = tree.directives.iter().map(|directive| directive.name.as_str()).collect();
        assert_eq!(names, ["a", "one", "two", "z"]);
        let inner = &tree.directives[2].block[0];
        assert_eq!((inner.name.as_str(), inner.line), ("y", 2));
        assert!(inner.file.ends_with("sites/more/y.txt"));
        assert_eq!(tree.files.len(), 4);

        write("sites/1.conf", "one;\ninclude missing.conf;");
        let why = read(&folder.path().join("nginx.conf")).err().unwrap();
        assert!(why.contains("missing.conf"), "{why}");
        write("sites/1.conf", "one;\n{");
        let why = read(&folder.path().join("nginx.conf")).err().unwrap();
        assert!(why.ends_with("sites/1.conf: line 2: a directive has no name"), "{why}");
        write("sites/1.conf", "include nginx.conf;");
        assert!(read(&folder.path().join("nginx.conf")).err().unwrap().contains("include each other"));
    }
}
