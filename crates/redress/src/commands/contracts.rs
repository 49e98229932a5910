//! `redress contracts`: the contracts for whoever generates a client from them.
//!
//! Invariant: what is written is what this very build serves, with everything that it imports and
//! with the details that its errors carry, so that a generator needs no file of this repository or
//! of others.

use std::fs;

use anyhow::{Context as _, Result};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use prost_types::FileDescriptorSet;
use redress_proto::FILE_DESCRIPTOR_SET;

use crate::cli::ContractsArgs;
use crate::output;

/// What runtimes bring along in most languages: the well-known types and the error details.
const FROM_RUNTIMES: &str = "google/";

/// The number of `FileDescriptorProto.options`.
const FILE_OPTIONS: i32 = 8;

pub(super) fn run(args: &ContractsArgs) -> Result<()> {
    let contracts = contracts()?;
    if args.list {
        for name in names(&contracts)?.iter().filter(|name| !name.starts_with(FROM_RUNTIMES)) {
            output::line(name);
        }
        return Ok(());
    }
    let Some(file) = &args.out else {
        return output::bytes(&contracts)
            .context("the contracts cannot be printed: name a file with --out, or redirect them");
    };
    fs::write(file, &contracts).with_context(|| format!("cannot write {}", file.display()))?;
    output::note(format!("the contracts, as a FileDescriptorSet, are in {}", file.display()));
    Ok(())
}

/// The encoded `FileDescriptorSet` of the contracts and of `google.rpc.Status` with its details.
fn contracts() -> Result<Vec<u8>> {
    let known = names(FILE_DESCRIPTOR_SET)?;
    let mut details = FileDescriptorSet::decode(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .context("read the descriptors of error details")?;
    for file in &mut details.file {
        let package = file.package().replace('.', "/");
        // They were compiled from beside each other; everybody else knows them by this path.
        if package == "google/rpc" && !file.name().contains('/') {
            file.name = Some(format!("{package}/{}", file.name()));
        }
    }
    details.file.retain(|file| !known.iter().any(|known| known == file.name()));
    // Encoded sets one after the other are one set.
    Ok([ours()?, details.encode_to_vec()].concat())
}

/// Our files and what they import, without the places of their file options: protox lists those in
/// an order in which buf, where it sets packages for Go or Java, takes them for damaged.
fn ours() -> Result<Vec<u8>> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).context("read the contracts")?;
    let kind = pool.get_message_by_name("google.protobuf.FileDescriptorSet");
    // Decoded into plain types, the files would lose their extension options.
    let kind = kind.context("the contracts do not import google/protobuf/descriptor.proto")?;
    let mut set =
        DynamicMessage::decode(kind, FILE_DESCRIPTOR_SET).context("read the contracts")?;
    let files = set.get_field_by_name_mut("file").and_then(Value::as_list_mut);
    for file in files.into_iter().flatten().filter_map(Value::as_message_mut) {
        if !file.has_field_by_name("source_code_info") {
            continue;
        }
        let places = file
            .get_field_by_name_mut("source_code_info")
            .and_then(Value::as_message_mut)
            .and_then(|info| info.get_field_by_name_mut("location"))
            .and_then(Value::as_list_mut);
        if let Some(places) = places {
            places.retain(|place| first_step(place) != Some(FILE_OPTIONS));
        }
    }
    Ok(set.encode_to_vec())
}

/// Where the path of a place begins: the number of a field of `FileDescriptorProto`.
fn first_step(place: &Value) -> Option<i32> {
    place.as_message()?.get_field_by_name("path")?.as_list()?.first()?.as_i32()
}

/// The names of the files in an encoded set.
fn names(set: &[u8]) -> Result<Vec<String>> {
    let set = FileDescriptorSet::decode(set).context("read the descriptors of the contracts")?;
    Ok(set.file.into_iter().filter_map(|file| file.name).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_generator_finds_each_file_once_and_everything_that_it_imports() {
        let set = FileDescriptorSet::decode(contracts().unwrap().as_slice()).unwrap();
        let mut found = BTreeSet::new();
        for file in &set.file {
            for import in &file.dependency {
                assert!(found.contains(import), "{} imports {import}, not before it", file.name());
            }
            assert!(found.insert(file.name().to_owned()), "{} is there twice", file.name());
        }
        for name in [
            "buf/validate/validate.proto",
            "google/rpc/error_details.proto",
            "google/rpc/status.proto",
            "redress/refunds/v1/refund.proto",
        ] {
            assert!(found.contains(name), "no {name} in {found:?}");
        }
    }

    #[test]
    fn the_contracts_keep_comments_and_extension_options() {
        let contracts = contracts().unwrap();
        let pool = DescriptorPool::decode(contracts.as_slice()).unwrap();
        let access = pool.get_extension_by_name("redress.common.v1.access").unwrap();
        let service = pool.get_service_by_name("redress.refunds.v1.RefundService").unwrap();
        assert!(service.methods().all(|method| method.options().has_extension(&access)));
        let set = FileDescriptorSet::decode(contracts.as_slice()).unwrap();
        for file in set.file.iter().filter(|file| !file.name().starts_with("google/")) {
            let places = &file.source_code_info.as_ref().unwrap().location;
            assert!(places.iter().any(|p| p.leading_comments.is_some()), "{}", file.name());
            assert!(places.iter().all(|p| p.path.first() != Some(&FILE_OPTIONS)));
        }
    }
}
