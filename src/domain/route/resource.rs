//! Templates of resources: which resource a path names.

use std::{borrow::Cow, fmt};

use super::{
    path::CanonicalPath,
    template::{PathTemplate, variable},
};
use crate::domain::{parse::ParseError, resource::Resource};

const RESOURCE: &str = "segments of A-Z a-z 0-9 . _ ~ : @ + - and needed escapes such as `%20`, or `{name}` for a segment of the path, divided by `/`, none of them empty, `.` or `..`, at most 256 characters in all";
const UNKNOWN: &str = "a resource whose every `{name}` is a segment `{name}` of the path";

/// The resource that a request on a route touches, such as `space/{space}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceTemplate(Box<str>);

impl ResourceTemplate {
    /// Takes a resource, some of whose segments may be variables of `path`; a rest may not, because it is many segments.
    ///
    /// # Errors
    /// The text is no resource for any values of the variables, or it has a variable that `path` lacks.
    pub fn parse(text: &str, path: &PathTemplate) -> Result<Self, ParseError> {
        if text.len() > 256 {
            return Err(ParseError::new(RESOURCE));
        }
        for segment in text.split('/') {
            match variable(segment) {
                Some(name) if path.place(name).is_none() => return Err(ParseError::new(UNKNOWN)),
                None if Resource::parse(segment).is_err() => return Err(ParseError::new(RESOURCE)),
                Some(_) | None => {}
            }
        }
        Ok(Self(text.into()))
    }

    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The resource that this path names; none when a segment of it cannot be part of a resource, or all is too long.
    /// A variable that `template` lacks fills nothing in.
    pub(super) fn fill(&self, template: &PathTemplate, path: CanonicalPath<'_>) -> Option<Cow<'_, str>> {
        if !self.0.contains('{') {
            return Some(Cow::Borrowed(&self.0));
        }
        let mut filled = String::with_capacity(256);
        for part in self.0.split('/') {
            let segment = match variable(part) {
                Some(name) => path.below_root().split('/').nth(template.place(name)?)?,
                None => part,
            };
            // The whole is parsed below; this keeps a long segment from being copied wherever it is named.
            Resource::parse(segment).ok()?;
            if !filled.is_empty() {
                filled.push('/');
            }
            filled.push_str(segment);
        }
        Resource::parse(&filled).is_ok().then_some(Cow::Owned(filled))
    }
}

impl fmt::Display for ResourceTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> PathTemplate {
        PathTemplate::parse(text).unwrap()
    }

    fn fill(resource: &str, path: &str, target: &str) -> Option<String> {
        let path = template(path);
        let resource = ResourceTemplate::parse(resource, &path).unwrap();
        resource.fill(&path, CanonicalPath::parse(target).unwrap()).map(Cow::into_owned)
    }

    #[test]
    fn a_resource_uses_the_single_segments_of_its_path() {
        let path = template("/s/{space}/{file}/{rest=**}");
        for good in ["space/{space}", "{file}", "all", "a/{space}/b/{file}", "{space}/{space}"] {
            assert_eq!(ResourceTemplate::parse(good, &path).unwrap().as_str(), good);
        }
        let long = "x".repeat(257);
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "{other}",
            "{rest}",
            "{rest=**}",
            "{s}",
            "a{space}",
            "{space}b",
            "{",
            "{}",
            "a//b",
            "a/../{space}",
            "a/*",
            "a!",
            &long,
        ] {
            assert!(ResourceTemplate::parse(bad, &path).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_path_names_a_resource_or_nothing() {
        let named = |target| fill("space/{s}/{f}", "/{f}/x/{s}", target);
        assert_eq!(named("/f/x/s").as_deref(), Some("space/s/f"));
        assert_eq!(named("/f.1~:@+-_/x/...").as_deref(), Some("space/.../f.1~:@+-_"));
        let (long, fits) = (format!("/f/x/{}", "s".repeat(249)), format!("/f/x/{}", "s".repeat(248)));
        for hostile in ["/*/x/s", "/f/x/*", "/f/x/a*", "/f/x/a,b", "/f/x/a=b", "/f/x/$", "/f/x/('&)", &long] {
            assert_eq!(named(hostile), None, "{hostile}");
        }
        assert_eq!(named(&fits).map(|text| text.len()), Some(256));
        // H12
        assert_eq!(named("/caf%C3%A9/x/a%20b").as_deref(), Some("space/a%20b/caf%C3%A9"));
        assert_eq!(fill("all/a%20b/{a}", "/{a}", "/%5Bx%5D").as_deref(), Some("all/a%20b/%5Bx%5D"));
        assert_eq!(fill("all/of-it", "/{a}", "/*").as_deref(), Some("all/of-it"));
    }

    #[test]
    fn a_resource_of_another_template_names_nothing() {
        let resource = ResourceTemplate::parse("{a}", &template("/{a}")).unwrap();
        let path = CanonicalPath::parse("/x").unwrap();
        assert_eq!(resource.fill(&template("/{b}"), path), None);
        assert_eq!(resource.fill(&template("/{a=**}"), path), None);
    }
}
