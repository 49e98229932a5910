//! Compiles the contracts: message types, clients and servers, validation, descriptor set.
//!
//! protox stands in for `protoc`; `buf/validate/validate.proto` and the well-known types come from
//! the descriptor sets that crates ship, so that no third-party file lives in this repository.
#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script its folder by environment"
)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use protox::file::{
    ChainFileResolver, DescriptorSetFileResolver, GoogleFileResolver, IncludeFileResolver,
};

const PROTO_DIR: &str = "../../proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO_DIR}");
    let mut files = Vec::new();
    collect_proto_files(Path::new(PROTO_DIR), &mut files)?;
    files.sort();

    let mut resolver = ChainFileResolver::new();
    resolver.add(IncludeFileResolver::new(PathBuf::from(PROTO_DIR)));
    resolver.add(DescriptorSetFileResolver::decode(
        prost_protovalidate_types::DESCRIPTOR_POOL.encode_to_vec().as_slice(),
    )?);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    for file in &files {
        compiler.open_file(file.strip_prefix(PROTO_DIR)?)?;
    }

    // The encoded form keeps extension options (access and validation rules); the decoded form,
    // which code generation takes, would drop them.
    let encoded = compiler.encode_file_descriptor_set();
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("descriptor_set.bin"), &encoded)?;

    tonic_prost_build::configure()
        // Maps in order, so that the same message is always the same bytes: request ids go by them.
        .btree_map(".")
        .extern_path(".buf.validate", "::prost_protovalidate_types")
        .compile_fds(compiler.file_descriptor_set())?;
    prost_protovalidate_build::Builder::new()
        .file_descriptor_set_bytes(encoded)
        .fail_on_runtime_only(true)
        .compile()?;
    Ok(())
}

fn collect_proto_files(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_proto_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
