//! Which folder may name which library: the seams inside a service.
//!
//! Invariant: SQL stands behind the stores, the wire behind `grpc` and `events`, and `domain` knows
//! neither. Words are looked up in code only, never in comments or strings.

use std::collections::{BTreeMap, BTreeSet};

use super::lexer::{Line, Word, words};
use super::{Finding, tree::Tree};

const SERVICES: [&str; 4] = ["cases", "feedback", "notifications", "refunds"];

/// Whole crates that may name sqlx, by folder.
const SQL_CRATES: [&str; 2] = ["crates/local-postgres/", "crates/store/"];
/// Paths inside any crate that may name sqlx; `bench` holds the hand-written SQL to compare with.
const SQL_PATHS: [&str; 5] = ["src/store/", "src/store.rs", "src/bench/", "tests/", "benches/"];

/// Whole crates that may name tonic and prost, by folder.
const WIRE_CRATES: [&str; 8] = [
    "crates/api/",
    "crates/client/",
    "crates/prost-reflect-build/",
    "crates/proto/",
    "crates/redress/",
    "crates/runtime/",
    "crates/testkit/",
    "tests/",
];
/// Paths inside any crate that may name tonic, prost and the contract types; a store's conformance
/// suite feeds it events as they arrive.
const WIRE_PATHS: [&str; 8] = [
    "benches/",
    "src/events.rs",
    "src/events/",
    "src/grpc.rs",
    "src/grpc/",
    "src/lib.rs",
    "src/store/conformance/",
    "tests/",
];

/// What a `domain` module may import; its tests may use proptest too.
const DOMAIN_CRATES: [&str; 8] = [
    "alloc",
    "core",
    "redress_calendar",
    "redress_core",
    "redress_policy",
    "serde",
    "std",
    "thiserror",
];

/// The names under which each crate's folder can reach other crates.
pub(crate) type Reachable = BTreeMap<String, BTreeSet<String>>;

/// Finds libraries that are named on the wrong side of a seam.
pub(crate) fn check(tree: &Tree, reachable: &Reachable) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, lines) in tree.rust() {
        let place = Place::of(path);
        for (number, line) in (1..).zip(lines) {
            for word in words(&line.code).filter(|word| !word.follows) {
                if let Some(message) = place.refuses(word) {
                    findings.push(Finding::at("seams", path, number, message));
                }
            }
        }
        if place.service.is_some() && place.inner.starts_with("src/domain") {
            let known = reachable.get(place.folder);
            domain(path, lines, known.unwrap_or(&BTreeSet::new()), &mut findings);
        }
    }
    findings
}

/// Where a file stands.
struct Place<'a> {
    path: &'a str,
    /// The crate's folder: `crates/refunds`; empty outside a crate.
    folder: &'a str,
    /// The path inside the crate; empty outside one.
    inner: &'a str,
    service: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Self {
        let parts = path.strip_prefix("crates/").and_then(|rest| rest.split_once('/'));
        let Some((name, inner)) = parts else {
            return Self { path, folder: "", inner: "", service: None };
        };
        let folder = &path[.."crates/".len() + name.len()];
        Self { path, folder, inner, service: SERVICES.contains(&name).then_some(name) }
    }

    fn within(&self, crates: &[&str], paths: &[&str]) -> bool {
        crates.iter().any(|start| self.path.starts_with(start))
            || paths.iter().any(|start| self.inner.starts_with(start))
    }

    /// Why the word may not stand here.
    fn refuses(&self, word: Word<'_>) -> Option<String> {
        let name = word.name;
        let is = |library: &str| {
            name.strip_prefix(library).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        if is("sqlx") && !self.within(&SQL_CRATES, &SQL_PATHS) {
            return Some(format!("`{name}` is named in `store` modules only"));
        }
        if !(is("tonic") || is("prost") || name == "redress_proto")
            || self.within(&WIRE_CRATES, &WIRE_PATHS)
        {
            return None;
        }
        // Contract types may pass through other modules; the pure and the deciding ones are closed.
        let closed = ["src/app", "src/domain", "src/store"];
        let wire = name != "redress_proto" || closed.iter().any(|at| self.inner.starts_with(at));
        wire.then(|| {
            format!("`{name}` belongs to `grpc` and `events`; hand domain types to this module")
        })
    }
}

/// Finds imports of a domain module that reach outside the domain.
fn domain(path: &str, lines: &[Line], known: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    let mut in_tests = is_test_file(path);
    for (number, line) in (1..).zip(lines) {
        in_tests |= line.code.contains("mod tests");
        for word in words(&line.code) {
            if word.follows || !word.rest.starts_with("::") {
                continue;
            }
            let reaches_out = word.name == "crate" && !word.rest.starts_with("::domain");
            let allowed =
                DOMAIN_CRATES.contains(&word.name) || (in_tests && word.name == "proptest");
            if reaches_out || (known.contains(word.name) && !allowed) {
                let message = format!(
                    "`domain` is pure: `{}{}` is none of {}, crate::domain",
                    word.name,
                    first_segment(word.rest),
                    DOMAIN_CRATES.join(", ")
                );
                findings.push(Finding::at("seams", path, number, message));
            }
        }
    }
}

/// `::name` at the start of the rest of a path.
fn first_segment(rest: &str) -> &str {
    let end = rest[2..].find(|c: char| !c.is_alphanumeric() && c != '_');
    &rest[..end.map_or(rest.len(), |end| end + 2)]
}

/// Whether the whole file is a test module.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.contains("/tests/")
        || path.contains("/store/conformance")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, code: &str) -> Vec<String> {
        let known = ["sqlx", "tokio", "serde", "redress_store", "redress_core", "proptest"];
        let known: BTreeSet<String> = known.map(str::to_owned).into();
        let reachable = Reachable::from([("crates/refunds".to_owned(), known)]);
        let findings = check(&Tree::of(&[(path, code)]), &reachable);
        findings.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn sql_stands_behind_the_stores() {
        let code = "use sqlx::SqlitePool;";
        for path in [
            "crates/store/src/pool.rs",
            "crates/refunds/src/store/sqlite.rs",
            "crates/refunds/tests/it/main.rs",
            "crates/redress/src/bench/sql.rs",
            "crates/local-postgres/src/lib.rs",
        ] {
            assert!(found(path, code).is_empty(), "{path}");
        }
        for path in [
            "crates/refunds/src/app/create_refund.rs",
            "crates/refunds/src/grpc/mod.rs",
            "crates/runtime/src/lib.rs",
            "crates/redress/src/main.rs",
            "tests/tests/saga.rs",
        ] {
            assert_eq!(found(path, code).len(), 1, "{path}");
        }
    }

    #[test]
    fn the_wire_stands_behind_grpc_and_events() {
        for code in ["use tonic::Status;", "use prost::Message;", "fn f() -> tonic_types::X {}"] {
            for path in [
                "crates/refunds/src/app/quote.rs",
                "crates/refunds/src/store/rows.rs",
                "crates/store/src/a.rs",
            ] {
                assert_eq!(found(path, code).len(), 1, "{path}: {code}");
            }
            for path in [
                "crates/refunds/src/grpc/convert.rs",
                "crates/refunds/src/events.rs",
                "crates/refunds/src/lib.rs",
                "crates/api/src/status.rs",
                "tests/lib.rs",
            ] {
                assert!(found(path, code).is_empty(), "{path}: {code}");
            }
        }
    }

    #[test]
    fn contract_types_do_not_reach_use_cases_or_stores() {
        let code = "use redress_proto::refunds::v1::Refund;";
        assert_eq!(found("crates/refunds/src/app/create_refund.rs", code).len(), 1);
        assert_eq!(found("crates/refunds/src/store/rows.rs", code).len(), 1);
        assert!(found("crates/refunds/src/grpc/convert.rs", code).is_empty());
        assert!(found("crates/refunds/src/store/conformance/facts.rs", code).is_empty());
    }

    #[test]
    fn words_in_comments_and_strings_do_not_count() {
        let code = "// sqlx::query\nconst A: &str = \"tonic::Status\"; let x = y.prost;";
        assert!(found("crates/refunds/src/app/quote.rs", code).is_empty());
    }

    #[test]
    fn the_domain_is_pure() {
        let path = "crates/refunds/src/domain/refund.rs";
        for code in [
            "use std::fmt;\nuse redress_core::money::Money;\nuse serde::Serialize;",
            "use crate::domain::state::State;\nuse super::attempt::Attempt;",
            "use state::State;",
            "#[cfg(test)]\nmod tests {\n use proptest::prelude::*;\n}",
        ] {
            assert!(found(path, code).is_empty(), "{code}");
        }
        for code in [
            "use tokio::time::Instant;",
            "let pool = redress_store::connect();",
            "use crate::store::Store;",
            "use crate::{app, domain};",
            "use proptest::prelude::*;",
        ] {
            assert_eq!(found(path, code).len(), 1, "{code}");
        }
        let message = found(path, "use crate::store::Store;").remove(0);
        assert!(message.contains("`crate::store`"), "{message}");
    }
}
