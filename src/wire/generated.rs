//! The modules that `build.rs` generates, nested as the packages are: generated code names its neighbours by that.
#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    clippy::as_conversions,
    missing_docs,
    unreachable_pub,
    reason = "generated code"
)]

/// Package `keyward.v1`. What each element means stands in `proto/keyward/v1/`.
pub mod v1 {
    tonic::include_proto!("keyward.v1");
}

/// Envoy's own messages, of which `external_auth.proto` is served. What each means stands in `proto/third_party/`.
#[allow(rustdoc::all, reason = "the comments are others'")]
pub mod envoy {
    pub mod config {
        pub mod core {
            pub mod v3 {
                tonic::include_proto!("envoy.config.core.v3");
            }
        }
    }
    pub mod service {
        pub mod auth {
            pub mod v3 {
                tonic::include_proto!("envoy.service.auth.v3");
            }
        }
    }
    pub mod r#type {
        pub mod v3 {
            tonic::include_proto!("envoy.r#type.v3");
        }
    }
}

/// What the messages of [`envoy`] use of `google`.
#[allow(rustdoc::all, reason = "the comments are others'")]
pub mod google {
    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
}

/// What the messages of [`envoy`] use of `xds`.
#[allow(rustdoc::all, reason = "the comments are others'")]
pub mod xds {
    pub mod core {
        pub mod v3 {
            tonic::include_proto!("xds.core.v3");
        }
    }
}
