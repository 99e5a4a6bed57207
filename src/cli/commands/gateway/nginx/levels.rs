//! Blocks within blocks, and which of their directives are in effect in the innermost: a directive of a level takes the place
//! of all of its name further out.

use super::{NginxFinding, tree::Directive};

/// What passes requests on to a service.
pub(super) const PASSES: [&str; 6] =
    ["proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass"];

/// Blocks from the outermost, `http`, to the one that is judged.
#[derive(Clone)]
pub(super) struct NginxBlocks<'a> {
    blocks: Vec<&'a Directive>,
}

impl<'a> NginxBlocks<'a> {
    pub(super) fn of(outermost: &'a Directive) -> Self {
        Self { blocks: vec![outermost] }
    }

    pub(super) fn with(&self, inner: &'a Directive) -> Self {
        let mut blocks = self.blocks.clone();
        blocks.push(inner);
        Self { blocks }
    }

    /// The directives of the innermost block itself.
    pub(super) fn own(&self) -> &'a [Directive] {
        self.blocks.last().map_or(&[], |block| block.block.as_slice())
    }

    pub(super) fn block(&self) -> Option<&'a Directive> {
        self.blocks.last().copied()
    }

    /// The directives of the outermost block.
    pub(super) fn outermost(&self) -> &'a [Directive] {
        self.blocks.first().map_or(&[], |block| block.block.as_slice())
    }

    /// The blocks that directives are inherited through, from the inside out.
    fn outward(&self) -> impl Iterator<Item = &'a Directive> {
        self.blocks.iter().rev().copied()
    }

    /// The directives of this name that are in effect, and whether they stand in the innermost block.
    pub(super) fn in_effect(&self, name: &str) -> Vec<&'a Directive> {
        let of = |block: &'a Directive| -> Vec<&'a Directive> {
            block.block.iter().filter(|directive| directive.name == name).collect()
        };
        self.outward().map(of).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The directives of this name in all levels, for those that take no other's place.
    pub(super) fn all(&self, name: &str) -> Vec<&'a Directive> {
        let each = self.outward().flat_map(|block| &block.block);
        each.filter(|directive| directive.name == name).collect()
    }

    /// The one that is in effect where nginx takes one only, as text; empty if there is none.
    pub(super) fn value(&self, name: &str) -> &'a str {
        self.in_effect(name).last().map_or("", |directive| directive.first())
    }

    /// Whether what is in effect stands in `server` or `http`, and so is no location's own.
    pub(super) fn is_of_server(&self, directive: &Directive) -> bool {
        self.outward()
            .filter(|block| ["server", "http"].contains(&block.name.as_str()))
            .any(|block| block.block.iter().any(|known| std::ptr::eq(known, directive)))
    }

    pub(super) fn server(&self) -> Option<&'a Directive> {
        self.blocks.iter().copied().find(|block| block.name == "server")
    }

    /// As the file has it.
    fn at(&self) -> String {
        self.blocks.last().map_or_else(String::new, |block| block.text())
    }

    /// A finding about this block, at the place of `directive`.
    pub(super) fn finding(
        &self,
        problem: &'static str,
        directive: &Directive,
        message: impl Into<String>,
        next: impl Into<String>,
    ) -> NginxFinding {
        NginxFinding {
            problem,
            file: directive.file.to_string(),
            line: directive.line,
            at: self.at(),
            message: message.into(),
            next: next.into(),
        }
    }
}

/// Every block below `outer`, each with all around it.
pub(super) fn inner_scopes<'a>(outer: &NginxBlocks<'a>) -> Vec<NginxBlocks<'a>> {
    let blocks = outer.own().iter().filter(|directive| !directive.block.is_empty());
    let inner =
        blocks.filter(|block| ["server", "location", "if", "limit_except"].contains(&block.name.as_str()));
    inner
        .flat_map(|block| {
            let scope = outer.with(block);
            let deeper = inner_scopes(&scope);
            std::iter::once(scope).chain(deeper)
        })
        .collect()
}
