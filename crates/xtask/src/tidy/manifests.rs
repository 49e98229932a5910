//! One table of versions, one table of lints, and no dependency that nobody uses.
//!
//! Invariant: versions and features stand in the root manifest only, so that every way of building
//! the workspace resolves the same set and each dependency compiles once.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::lexer::words;
use super::{Finding, tree::Tree};
use crate::workspace::Workspace;

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Finds manifests that leave the shared tables, and dependencies that no source names.
pub(crate) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut root = None;
    let mut asked_for = BTreeSet::new();
    for (path, text) in tree.with_extension("toml") {
        if path != "Cargo.toml" && !path.ends_with("/Cargo.toml") {
            continue;
        }
        let manifest: Table = match text.parse() {
            Ok(manifest) => manifest,
            Err(error) => {
                findings.push(Finding::of_file("manifests", path, format!("is no TOML: {error}")));
                continue;
            }
        };
        if path == "Cargo.toml" {
            root = Some(manifest);
        } else {
            member(path, &manifest, &mut asked_for, &mut findings);
        }
    }
    if let Some(root) = &root {
        unused_rows(root, &asked_for, &mut findings);
    }
    unused_dependencies(tree, workspace, &mut findings);
    findings
}

fn member(path: &str, manifest: &Table, asked: &mut BTreeSet<String>, findings: &mut Vec<Finding>) {
    if !is_from_workspace(manifest.get("lints")) {
        let message = "says not `[lints] workspace = true`".to_owned();
        findings.push(Finding::of_file("manifests", path, message));
    }
    let targets = manifest.get("target").and_then(Value::as_table);
    let per_target = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    for section in std::iter::once(manifest).chain(per_target) {
        for kind in KINDS {
            let dependencies = section.get(kind).and_then(Value::as_table);
            for (name, value) in dependencies.into_iter().flatten() {
                asked.insert(name.clone());
                if !is_from_workspace(Some(value)) || adds_features(value) {
                    let message = format!(
                        "[{kind}] {name}: write `{name}.workspace = true`; versions and features \
                         stand in the root manifest"
                    );
                    findings.push(Finding::of_file("manifests", path, message));
                }
            }
        }
    }
}

fn is_from_workspace(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

fn adds_features(value: &Value) -> bool {
    value.get("features").is_some() || value.get("default-features").is_some()
}

fn unused_rows(root: &Table, asked_for: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    let rows = root.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    for name in rows.and_then(Value::as_table).into_iter().flat_map(Table::keys) {
        if !asked_for.contains(name) {
            let message = format!("[workspace.dependencies] {name}: no crate asks for it");
            findings.push(Finding::of_file("manifests", "Cargo.toml", message));
        }
    }
}

/// A dependency that no source of its crate names costs build time and says something untrue.
fn unused_dependencies(tree: &Tree, workspace: &Workspace, findings: &mut Vec<Finding>) {
    for package in workspace.members() {
        let folder = format!("{}/", workspace.folder_of(package));
        let lines = || {
            let files = tree.rust().filter(|(path, _)| path.starts_with(&folder));
            files.flat_map(|(_, lines)| lines)
        };
        let named: BTreeSet<&str> = lines()
            .flat_map(|line| words(&line.code).chain(words(&line.text)))
            .map(|w| w.name)
            .collect();
        for dependency in &package.dependencies {
            if !named.contains(dependency.ident().as_str()) {
                let message = format!("no source names the dependency {}", dependency.name);
                let path = format!("{folder}Cargo.toml");
                findings.push(Finding::of_file("unused-dependency", path, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: (&str, &str) = ("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n");
    const LINTS: &str = "[lints]\nworkspace = true\n";

    fn found(manifest: &str) -> Vec<String> {
        let tree = Tree::of(&[ROOT, ("crates/a/Cargo.toml", manifest)]);
        check(&tree, &Workspace::default()).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn shared_tables_are_right() {
        let manifest = format!("{LINTS}[dependencies]\nserde.workspace = true\n");
        assert_eq!(found(&manifest), [""; 0]);
    }

    #[test]
    fn a_version_feature_or_path_of_its_own_is_found() {
        for row in [
            "serde = \"1\"",
            "serde = { version = \"1\" }",
            "serde = { path = \"../serde\" }",
            "serde = { workspace = true, features = [\"rc\"] }",
            "serde = { workspace = true, default-features = false }",
        ] {
            for section in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"] {
                let manifest = format!("{LINTS}[{section}]\n{row}\n");
                assert_eq!(found(&manifest).len(), 1, "[{section}] {row}");
            }
        }
    }

    #[test]
    fn missing_lints_unused_rows_and_broken_files_are_found() {
        let used = "[dependencies]\nserde.workspace = true\n";
        assert_eq!(found(used), ["says not `[lints] workspace = true`"]);
        assert_eq!(found(LINTS), ["[workspace.dependencies] serde: no crate asks for it"]);
        assert!(found("[lints\n").iter().any(|message| message.contains("is no TOML")));
    }

    #[test]
    fn a_dependency_must_be_named_by_a_source_of_its_crate() {
        let dependencies = [("normal", "serde-json"), ("dev", "insta"), ("normal", "tokio")];
        let workspace = Workspace::of(&[("a", "crates/a", &dependencies)]);
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "use serde_json::Value; // tokio"),
            ("crates/a/tests/it/main.rs", "#[serde(with = \"insta::x\")]"),
            ("crates/ab/src/lib.rs", "use tokio::net;"),
        ]);
        let found = check(&tree, &workspace);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.ends_with("tokio"), "{}", found[0]);
    }
}
