//! Who may depend on whom, from `cargo metadata`.
//!
//! Invariant: every crate of the workspace stands in [`LAYERS`], so that a new one has to be placed
//! before it builds in CI. Services never depend on each other, not even in tests: they meet in
//! `proto` and over gRPC.

use super::Finding;
use crate::workspace::Workspace;

/// Vocabulary without I/O.
const BASE: [&str; 4] = ["redress-calendar", "redress-core", "redress-policy", "redress-proto"];
/// What a service is built from, besides the base.
const PLUMBING: [&str; 4] = ["redress-api", "redress-client", "redress-runtime", "redress-store"];
/// The four services.
const SERVICES: [&str; 4] =
    ["redress-cases", "redress-feedback", "redress-notifications", "redress-refunds"];
/// A PostgreSQL to try things on: for the test kit and for benchmarks.
const LOCAL_POSTGRES: [&str; 1] = ["redress-local-postgres"];
/// What only tests use, in every crate that has no rule of its own for it.
const TEST_ONLY: [&str; 2] = ["redress-testkit", "redress-sandbox"];

/// The crates of this workspace that a crate may depend on; its tests may use [`TEST_ONLY`] too.
const LAYERS: [(&[&str], &[&[&str]]); 14] = [
    (&["redress-core"], &[]),
    (&["redress-calendar"], &[&["redress-core"]]),
    (&["redress-policy"], &[&["redress-core", "redress-calendar"]]),
    // Not even `core`: contract types are plain and a mapping belongs to whoever speaks gRPC.
    (&["redress-proto"], &[]),
    (&["redress-api"], &[&BASE]),
    (&["redress-store", "redress-runtime", "redress-client"], &[&BASE, &["redress-api"]]),
    (&SERVICES, &[&BASE, &PLUMBING]),
    (&["redress"], &[&BASE, &PLUMBING, &SERVICES, &LOCAL_POSTGRES, &["redress-sandbox"]]),
    (&LOCAL_POSTGRES, &[]),
    (&["redress-testkit"], &[&BASE, &LOCAL_POSTGRES, &["redress-api"]]),
    // An outside system: it may share the vocabulary, nothing else.
    (&["redress-sandbox"], &[&["redress-core"]]),
    (&["redress-tests"], &[&BASE, &PLUMBING, &SERVICES, &TEST_ONLY, &["redress"]]),
    (&["prost-reflect-build"], &[]),
    (&["xtask"], &[]),
];

/// Finds dependencies that point the wrong way.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let ours: Vec<&str> = workspace.members().map(|package| package.name.as_str()).collect();
    let mut findings = Vec::new();
    for package in workspace.members() {
        let manifest = format!("{}/Cargo.toml", workspace.folder_of(package));
        let Some((_, allowed)) =
            LAYERS.iter().find(|(names, _)| names.contains(&package.name.as_str()))
        else {
            let message = format!(
                "`{}` has no place in the order of crates; add it to LAYERS in \
                 crates/xtask/src/tidy/layers.rs",
                package.name
            );
            findings.push(Finding::of_file("layers", manifest, message));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let dev = dependency.kind.as_deref() == Some("dev");
            let may = allowed.iter().any(|group| group.contains(&name))
                || (dev && (TEST_ONLY.contains(&name) || name == package.name));
            if ours.contains(&name) && !may {
                let how = if dev { "depend, for its tests," } else { "depend" };
                let message = format!("`{}` may not {how} on `{name}`", package.name);
                findings.push(Finding::of_file("layers", manifest.clone(), message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(from: &str, kind: &str, to: &str) -> Vec<String> {
        let workspace =
            Workspace::of(&[(from, "crates/from", &[(kind, to)]), (to, "crates/to", &[])]);
        check(&workspace).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn the_order_of_crates_holds() {
        let right = [
            ("redress-policy", "normal", "redress-core"),
            ("redress-api", "normal", "redress-proto"),
            ("redress-store", "normal", "redress-api"),
            ("redress-refunds", "normal", "redress-store"),
            ("redress-refunds", "dev", "redress-sandbox"),
            ("redress-cases", "dev", "redress-testkit"),
            ("redress", "normal", "redress-sandbox"),
            ("redress", "normal", "redress-cases"),
            ("redress", "normal", "redress-local-postgres"),
            ("redress-testkit", "normal", "redress-local-postgres"),
            ("redress-tests", "normal", "redress"),
        ];
        for (from, kind, to) in right {
            assert!(messages(from, kind, to).is_empty(), "{from} -> {to}");
        }
    }

    #[test]
    fn a_dependency_against_the_order_is_found() {
        let wrong = [
            ("redress-core", "normal", "redress-api"),
            ("redress-proto", "normal", "redress-core"),
            ("redress-api", "normal", "redress-store"),
            ("redress-store", "normal", "redress-runtime"),
            ("redress-runtime", "build", "redress-client"),
            ("redress-refunds", "normal", "redress-cases"),
            ("redress-refunds", "dev", "redress-cases"),
            ("redress-refunds", "normal", "redress-testkit"),
            ("redress-refunds", "normal", "redress-sandbox"),
            ("redress", "normal", "redress-testkit"),
            ("redress-store", "dev", "redress-local-postgres"),
            ("redress-local-postgres", "normal", "redress-core"),
            ("redress-testkit", "normal", "redress-store"),
            ("redress-cases", "normal", "redress"),
            ("xtask", "normal", "redress-core"),
            ("prost-reflect-build", "normal", "redress-core"),
        ];
        for (from, kind, to) in wrong {
            let found = messages(from, kind, to);
            assert_eq!(found.len(), 1, "{from} -> {to}");
            assert!(found[0].contains(from) && found[0].contains(to), "{found:?}");
        }
    }

    #[test]
    fn a_new_crate_must_be_placed() {
        let found = check(&Workspace::of(&[("redress-extra", "crates/extra", &[])]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "crates/extra/Cargo.toml");
    }

    #[test]
    fn other_peoples_crates_are_none_of_this_checks_business() {
        let workspace = Workspace::of(&[("redress-core", "crates/core", &[("normal", "serde")])]);
        assert!(check(&workspace).is_empty());
    }
}
