//! The flags that describe a new key, shared by `issue` and `workspace register`.

use clap::Args;
use jiff::SignedDuration;

use super::{
    limits::{self, OwnLimit},
    parse::{self, Expiry},
};
use crate::{
    cli::{failure::Failure, output::time},
    wire::v1::{AdminRights, Ceiling, Grant, IssueRequest},
};

/// What a new key may do, where, and for how long.
#[derive(Args, Debug)]
#[command(next_help_heading = "The key")]
pub(in crate::cli) struct KeyArgs {
    /// A scope for every resource, for example storage:read
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// A scope for some resources, for example storage:upload@space/cdn-eu
    #[arg(long = "grant", value_name = "SCOPE@RESOURCE[,RESOURCE]", value_parser = parse::grant)]
    grants: Vec<Grant>,
    /// The environment, for example live. Left out: the first of the policy
    #[arg(long)]
    environment: Option<String>,
    /// When the key ends: an RFC 3339 time, or a duration such as 90d, which is 90 times 24 hours and which the server counts from
    /// the time of the issue. Left out: never
    #[arg(long, value_name = "TIME|DURATION", value_parser = parse::expiry)]
    expires: Option<Expiry>,
    /// A source network that the key may be used from, for example 10.0.0.0/8. Left out: from everywhere
    #[arg(long = "cidr", value_name = "NETWORK", value_delimiter = ',')]
    cidrs: Vec<String>,
    /// A label of your own
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse::pair)]
    metadata: Vec<(String, String)>,
    /// A description for people
    #[arg(long)]
    description: Option<String>,
    /// A limit of the key's own, for example default/hour=500/hour; the help's end has every form. Left out: those of its
    /// workspace and plan, whatever they become
    #[arg(long = "limit", value_name = "LIMIT", value_parser = limits::limit)]
    limits: Vec<OwnLimit>,
    /// The key keeps the limits that apply now when its plan changes
    #[arg(long, conflicts_with = "limits")]
    stamp_limits: bool,
    /// Makes a retry safe: the same id never makes two keys
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

impl KeyArgs {
    /// The request for a key of this name.
    pub(in crate::cli) fn into_request(self, name: String) -> Result<IssueRequest, Failure> {
        Ok(IssueRequest {
            name,
            description: self.description.unwrap_or_default(),
            environment: self.environment.unwrap_or_default(),
            scopes: self.scopes,
            grants: self.grants,
            expire_time: self.expires.and_then(Expiry::expire_time),
            lifetime: self.expires.and_then(Expiry::lifetime),
            allowed_cidrs: self.cidrs,
            metadata: parse::metadata(self.metadata)?,
            limits: limits::together(self.limits),
            stamp_limits: self.stamp_limits,
            request_id: self.request_id.unwrap_or_default(),
            ..IssueRequest::default()
        })
    }
}

/// What a new administration key may do and hand out.
#[derive(Args, Debug)]
#[command(next_help_heading = "An administration key instead")]
#[group(id = "administration", multiple = true, conflicts_with_all = ["scopes", "grants", "limits", "stamp_limits"])]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line and on the wire"
)]
pub(in crate::cli) struct AdminArgs {
    /// An admin scope, for example keys:issue; makes an administration key
    #[arg(long = "admin-scope", value_name = "SCOPE", value_delimiter = ',')]
    admin_scopes: Vec<String>,
    /// Reaches every workspace, not its own alone
    #[arg(long, requires = "admin_scopes")]
    global: bool,
    /// May hand out anything: any grant, in any environment, for any lifetime, with any limits
    #[arg(long, requires = "admin_scopes")]
    ceiling_any: bool,
    /// May hand out any grant
    #[arg(long, requires = "admin_scopes", conflicts_with_all = ["ceiling_scopes", "ceiling_grants", "ceiling_any"])]
    ceiling_any_grant: bool,
    /// May hand out this scope for every resource
    #[arg(
        long = "ceiling-scope",
        value_name = "SCOPE",
        value_delimiter = ',',
        requires = "admin_scopes",
        conflicts_with = "ceiling_any"
    )]
    ceiling_scopes: Vec<String>,
    /// May hand out this scope for these resources
    #[arg(long = "ceiling-grant", value_name = "SCOPE@RESOURCE[,RESOURCE]", value_parser = parse::grant, requires = "admin_scopes", conflicts_with = "ceiling_any")]
    ceiling_grants: Vec<Grant>,
    /// May issue in any environment
    #[arg(long, requires = "admin_scopes", conflicts_with_all = ["ceiling_environments", "ceiling_any"])]
    ceiling_any_environment: bool,
    /// May issue in this environment
    #[arg(
        long = "ceiling-environment",
        value_name = "ENVIRONMENT",
        value_delimiter = ',',
        requires = "admin_scopes",
        conflicts_with = "ceiling_any"
    )]
    ceiling_environments: Vec<String>,
    /// May issue without an expiry
    #[arg(long, requires = "admin_scopes", conflicts_with_all = ["ceiling_lifetime", "ceiling_any"])]
    ceiling_any_lifetime: bool,
    /// The longest time from issue to expiry, for example 90d
    #[arg(long, value_name = "DURATION", value_parser = parse::duration, requires = "admin_scopes", conflicts_with = "ceiling_any")]
    ceiling_lifetime: Option<SignedDuration>,
    /// May set limits that are wider than those of the plan
    #[arg(long, requires = "admin_scopes", conflicts_with = "ceiling_any")]
    ceiling_raise_limits: bool,
}

impl AdminArgs {
    /// Whether an administration key is asked for.
    pub(in crate::cli) fn is_given(&self) -> bool {
        !self.admin_scopes.is_empty()
    }

    /// The rights, if an administration key is asked for. Without any ceiling flag it may hand out nothing.
    pub(in crate::cli) fn into_rights(self) -> Option<AdminRights> {
        if !self.is_given() {
            return None;
        }
        let ceiling = Ceiling {
            any_grant: self.ceiling_any || self.ceiling_any_grant,
            scopes: self.ceiling_scopes,
            grants: self.ceiling_grants,
            any_environment: self.ceiling_any || self.ceiling_any_environment,
            environments: self.ceiling_environments,
            any_lifetime: self.ceiling_any || self.ceiling_any_lifetime,
            max_lifetime: self.ceiling_lifetime.map(time::duration_to_wire),
            raise_limits: self.ceiling_any || self.ceiling_raise_limits,
        };
        let ceiling = Some(ceiling).filter(|ceiling| *ceiling != Ceiling::default());
        Some(AdminRights { scopes: self.admin_scopes, global: self.global, ceiling })
    }
}
