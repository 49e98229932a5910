//! Compiles protobuf files into reflective prost types without an installed `protoc`.
//!
//! `prost-protovalidate-types` builds through a package of this name, and the published one runs
//! `protoc`. This stand-in offers the same entry points and lets protox, a compiler written in
//! Rust, do the work, so that Cargo alone builds the workspace.
//!
//! Invariant: the descriptor set that it writes keeps extension options (protox's encoded form);
//! the decoded prost form would drop them, and validation rules are such options.

use std::io;
use std::path::{Path, PathBuf};

use prost_reflect::DescriptorPool;

/// Configures one compilation; made for build scripts.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    file_descriptor_set_path: Option<PathBuf>,
    descriptor_pool: Option<String>,
}

impl Builder {
    /// Starts with nothing configured; a descriptor pool has to follow.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also writes the encoded `FileDescriptorSet` to `path`.
    pub fn file_descriptor_set_path(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.file_descriptor_set_path = Some(path.into());
        self
    }

    /// The Rust expression through which the generated types reach their descriptor pool.
    pub fn descriptor_pool(&mut self, expression: impl Into<String>) -> &mut Self {
        self.descriptor_pool = Some(expression.into());
        self
    }

    /// Compiles `protos`, found below `includes`, to Rust sources in `OUT_DIR`.
    ///
    /// Fails when no descriptor pool was named, a file does not parse, or a write fails.
    pub fn compile_protos(
        &mut self,
        protos: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> io::Result<()> {
        let pool = self
            .descriptor_pool
            .as_deref()
            .ok_or_else(|| io::Error::other("descriptor_pool must be set"))?;
        let mut compiler = protox::Compiler::new(includes).map_err(io::Error::other)?;
        compiler.include_imports(true).include_source_info(true);
        compiler.open_files(protos).map_err(io::Error::other)?;

        let encoded = compiler.encode_file_descriptor_set();
        if let Some(path) = &self.file_descriptor_set_path {
            std::fs::write(path, &encoded)?;
        }

        let mut config = prost_build::Config::new();
        let descriptors = DescriptorPool::decode(encoded.as_slice()).map_err(io::Error::other)?;
        for message in descriptors.all_messages() {
            let name = message.full_name();
            config
                .type_attribute(name, "#[derive(::prost_reflect::ReflectMessage)]")
                .type_attribute(
                    name,
                    format!(
                        r#"#[prost_reflect(message_name = "{name}", descriptor_pool = "{pool}")]"#
                    ),
                );
        }
        config.compile_fds(compiler.file_descriptor_set())
    }
}
