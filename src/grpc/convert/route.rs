//! Routes, explained.

use super::policy::route_to_wire;
use crate::{
    domain::{
        policy::Policy,
        route::{Because, Other},
    },
    wire::v1,
};

/// Which route of a policy a request is on, and why.
pub(in crate::grpc) fn explained(
    policy: &Policy,
    (host, method, path): (&str, &str, &str),
) -> v1::RouteExplanation {
    let found = policy.routes().explain(host, method, path);
    let route = |index: usize| policy.document().routes.get(index).map(route_to_wire);
    let other = |other: &Other<'_>| v1::RouteNotTaken {
        route: route(other.index),
        field: field(other.index),
        why: because(other).to_owned(),
    };
    let why = found.why().into_owned();
    let others = found.others.iter().map(other).collect();
    match found.decides {
        Ok(decides) => v1::RouteExplanation {
            route: route(decides.index),
            field: field(decides.index),
            resource: decides.resource.map(std::borrow::Cow::into_owned).unwrap_or_default(),
            why,
            others,
        },
        Err(_none) => v1::RouteExplanation { why, others, ..v1::RouteExplanation::default() },
    }
}

fn field(index: usize) -> String {
    format!("routes[{index}]")
}

const fn because(other: &Other<'_>) -> &'static str {
    match other.because {
        Because::SaysLess => "it matches too, and says less about the request",
        Because::AnyMethod => "it matches too, is for any method, and gives way to one for OPTIONS",
        Because::NoResource => "it matches, and what the path has in the place of its resource cannot be one",
        Because::OtherHost => "it is for another host",
        Because::OtherMethod => "it is for another method",
    }
}
