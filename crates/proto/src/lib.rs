//! The generated contract types of Redress, their validation and their descriptor set.
//!
//! Invariant: no logic. The `.proto` files under `proto/` are the source of everything here, and
//! the module path of a type is its protobuf package.
#![expect(missing_docs, reason = "generated items carry the comments of the .proto files")]
#![expect(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::expect_used,
    reason = "generated code"
)]

macro_rules! packages {
    ($($package:ident),*) => {$(
        pub mod $package {
            pub mod v1 {
                include!(concat!(env!("OUT_DIR"), "/redress.", stringify!($package), ".v1.rs"));
            }
        }
    )*};
}

packages!(cases, common, events, feedback, notifications, refunds);

mod validation {
    // The generator names types by their protobuf package, which starts with `redress`.
    use crate as redress;

    include!(concat!(env!("OUT_DIR"), "/validate_impl.rs"));
}

pub use prost_protovalidate::{Validate, ValidationError};

/// The encoded `google.protobuf.FileDescriptorSet` of all contracts and what they import, with
/// their extension options.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/descriptor_set.bin"));
