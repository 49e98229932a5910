//! The workspace as cargo sees it.
//!
//! Invariant: everything here comes from `cargo metadata`; nothing is guessed from file names.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell;

/// The parts of `cargo metadata` that are used here.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Workspace {
    packages: Vec<Package>,
    #[serde(rename = "workspace_members")]
    member_ids: Vec<String>,
    /// The folder of the root manifest.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
}

/// One package, ours or not.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Package {
    id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its manifest, absolute.
    pub(crate) manifest_path: PathBuf,
    /// What it asks for, as written; not what was resolved.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One dependency as a manifest states it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Dependency {
    /// Name of the package.
    pub(crate) name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// The name the code uses, where it differs.
    pub(crate) rename: Option<String>,
}

impl Dependency {
    /// The name that code uses: dashes become underscores.
    pub(crate) fn ident(&self) -> String {
        self.rename.as_ref().unwrap_or(&self.name).replace('-', "_")
    }
}

/// A package for a test: its name, its folder below `/repo`, the kinds and names of what it uses.
#[cfg(test)]
pub(crate) type Sketch<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

impl Workspace {
    /// Asks cargo, from anywhere inside the workspace.
    pub(crate) fn load() -> Result<Self> {
        let mut command = Command::new(shell::cargo());
        command.args(["metadata", "--format-version", "1"]);
        serde_json::from_str(&shell::capture(&mut command)?)
            .context("read the answer of cargo metadata")
    }

    /// The packages that live in this repository.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.member_ids.contains(&package.id))
    }

    /// The folder that holds the sources of the dependency `name`.
    pub(crate) fn source_of(&self, name: &str) -> Result<&Path> {
        self.packages
            .iter()
            .find(|package| package.name == name)
            .and_then(|package| package.manifest_path.parent())
            .with_context(|| format!("the workspace does not depend on {name}"))
    }

    /// The package's folder, relative to the root, with `/` between its parts.
    pub(crate) fn folder_of(&self, package: &Package) -> String {
        let folder = package.manifest_path.parent().unwrap_or(&self.root);
        let folder = folder.strip_prefix(&self.root).unwrap_or(folder);
        folder.to_string_lossy().replace('\\', "/")
    }

    /// A workspace of the given packages.
    #[cfg(test)]
    pub(crate) fn of(packages: &[Sketch<'_>]) -> Self {
        let packages: Vec<Package> = packages
            .iter()
            .map(|(name, folder, dependencies)| Package {
                id: (*name).to_owned(),
                name: (*name).to_owned(),
                manifest_path: Path::new("/repo").join(folder).join("Cargo.toml"),
                dependencies: dependencies
                    .iter()
                    .map(|(kind, name)| Dependency {
                        name: (*name).to_owned(),
                        kind: (*kind != "normal").then(|| (*kind).to_owned()),
                        rename: None,
                    })
                    .collect(),
            })
            .collect();
        Self {
            member_ids: packages.iter().map(|package| package.id.clone()).collect(),
            packages,
            root: PathBuf::from("/repo"),
            target: PathBuf::from("/repo/target"),
        }
    }
}
