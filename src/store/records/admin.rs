//! How the rights of administration keys are written down: a part of a key's body.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::grant::GrantBody;
use crate::domain::{
    admin::{AdminRights, AdminScope},
    ceiling::{Ceiling, EnvironmentCeiling, GrantCeiling, LifetimeCeiling},
    text::EnvironmentName,
};

/// The rights of an administration key. "Any" is a word of its own, never an absent or empty value.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct AdminBody {
    scopes: Vec<String>,
    global: bool,
    grants: GrantCeilingBody,
    environments: EnvironmentCeilingBody,
    lifetime: LifetimeCeilingBody,
    /// Absent in bodies from before there were limits of one's own: then a key that may hand out everything may raise them.
    #[serde(default)]
    raise_limits: Option<bool>,
    /// Absent in bodies from before import had a scope of its own: then a key that may do everything may import.
    #[serde(default)]
    knows_import: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GrantCeilingBody {
    Any,
    Within(Vec<GrantBody>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EnvironmentCeilingBody {
    Any,
    Within(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LifetimeCeilingBody {
    Any,
    AtMost(Duration),
}

impl AdminBody {
    pub(in crate::store) fn of(rights: &AdminRights) -> Self {
        Self {
            scopes: rights.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            global: rights.global,
            grants: match &rights.ceiling.grants {
                GrantCeiling::Any => GrantCeilingBody::Any,
                GrantCeiling::Within(grants) => GrantCeilingBody::Within(GrantBody::all(grants)),
            },
            environments: match &rights.ceiling.environments {
                EnvironmentCeiling::Any => EnvironmentCeilingBody::Any,
                EnvironmentCeiling::Within(names) => {
                    EnvironmentCeilingBody::Within(names.iter().map(ToString::to_string).collect())
                }
            },
            lifetime: match rights.ceiling.lifetime {
                LifetimeCeiling::Any => LifetimeCeilingBody::Any,
                LifetimeCeiling::AtMost(longest) => LifetimeCeilingBody::AtMost(longest),
            },
            raise_limits: Some(rights.ceiling.raise_limits),
            knows_import: true,
        }
    }

    /// `None` if something in it is not what it must be.
    pub(in crate::store) fn into_rights(self) -> Option<AdminRights> {
        let scopes = self.scopes.iter().map(|text| AdminScope::parse(text).ok());
        let grants = match self.grants {
            GrantCeilingBody::Any => GrantCeiling::Any,
            GrantCeilingBody::Within(grants) => GrantCeiling::Within(GrantBody::into_grants(grants)?),
        };
        let environments = match self.environments {
            EnvironmentCeilingBody::Any => EnvironmentCeiling::Any,
            EnvironmentCeilingBody::Within(names) => {
                let names = names.iter().map(|text| EnvironmentName::parse(text).ok());
                EnvironmentCeiling::Within(names.collect::<Option<_>>()?)
            }
        };
        let lifetime = match self.lifetime {
            LifetimeCeilingBody::Any => LifetimeCeiling::Any,
            LifetimeCeilingBody::AtMost(longest) => LifetimeCeiling::AtMost(longest),
        };
        let everything = Ceiling { grants, environments, lifetime, raise_limits: true };
        let raise_limits = self.raise_limits.unwrap_or(everything == Ceiling::EVERYTHING);
        let mut rights = AdminRights {
            scopes: scopes.collect::<Option<_>>()?,
            global: self.global,
            ceiling: Ceiling { raise_limits, ..everything },
        };
        if !self.knows_import {
            rights.scopes.insert(AdminScope::KeysImport);
            let is_everything = rights == AdminRights::everything();
            if !is_everything {
                rights.scopes.remove(&AdminScope::KeysImport);
            }
        }
        Some(rights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn older(body: &serde_json::Value) -> AdminRights {
        serde_json::from_value::<AdminBody>(body.clone()).unwrap().into_rights().unwrap()
    }

    #[test]
    fn only_a_root_from_before_import_had_a_scope_has_it() {
        // X9
        let mut body = serde_json::to_value(AdminBody::of(&AdminRights::everything())).unwrap();
        let scopes: Vec<_> = AdminScope::ALL.iter().map(|scope| scope.as_str()).collect();
        let before: Vec<_> = scopes.iter().copied().filter(|scope| *scope != "keys:import").collect();
        body["scopes"] = serde_json::json!(before);
        let mut stated = body.clone();
        body.as_object_mut().unwrap().remove("knows_import").unwrap();
        assert_eq!(older(&body), AdminRights::everything());
        let less = [
            ("scopes", serde_json::json!(&before[1..])),
            ("global", false.into()),
            ("grants", serde_json::json!({ "within": [] })),
            ("raise_limits", false.into()),
        ];
        for (field, value) in less {
            let mut narrower = body.clone();
            narrower[field] = value;
            assert!(!older(&narrower).scopes.contains(&AdminScope::KeysImport), "{field}");
        }
        stated["knows_import"] = true.into();
        assert!(!older(&stated).scopes.contains(&AdminScope::KeysImport), "it was not given");
    }

    #[test]
    fn a_ceiling_from_before_there_were_own_limits_raises_them_if_it_is_everything() {
        // S6
        let older = |grants: &str, lifetime: &str| {
            let (rest, scopes) = (r#""environments":"any""#, r#""scopes":[],"global":true"#);
            let text = format!(r#"{{{scopes},"grants":{grants},{rest},"lifetime":{lifetime}}}"#);
            let body: AdminBody = serde_json::from_str(&text).unwrap();
            body.into_rights().unwrap().ceiling.raise_limits
        };
        assert!(older(r#""any""#, r#""any""#));
        assert!(!older(r#"{"within":[]}"#, r#""any""#));
        assert!(!older(r#""any""#, r#"{"at_most":{"secs":1,"nanos":0}}"#));
    }
}
