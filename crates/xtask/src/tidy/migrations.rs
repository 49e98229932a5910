//! Migrations come in pairs: the same numbers and names for both databases.
//!
//! Invariant: in each crate with migrations, the two folders hold files of the same names, numbered
//! one after the other without a gap or a repetition. A database knows the migrations of `store`
//! and of its service as one history, so the first 99 numbers belong to `store`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::{Finding, tree::Tree};

/// The folders of a crate's migrations, one for each database.
pub(crate) const DATABASES: [&str; 2] = ["postgres", "sqlite"];

/// Finds migrations without a twin and numbers out of order.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    // Per crate and database, the names of the files.
    let mut crates: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    let mut findings = Vec::new();
    for path in tree.paths() {
        let Some((folder, file)) = split(path) else { continue };
        match file.split_once('/') {
            Some((database, name)) if DATABASES.contains(&database) => {
                crates.entry(folder).or_default().entry(database).or_default().insert(name);
            }
            _ => findings.push(Finding::of_file(
                "migrations",
                path,
                format!("stands in none of the folders {}", DATABASES.join(", ")),
            )),
        }
    }
    for (folder, databases) in &crates {
        for database in DATABASES {
            let none = BTreeSet::new();
            let names = databases.get(database).unwrap_or(&none);
            let start = format!("{folder}/migrations/{database}");
            numbers(&start, numbers_of(folder), names, &mut findings);
            for other in databases.values().flatten().filter(|name| !names.contains(*name)) {
                let message = "is missing: the other database has it".to_owned();
                findings.push(Finding::of_file("migrations", format!("{start}/{other}"), message));
            }
        }
    }
    findings
}

/// The crate's folder and the path below its `migrations`.
fn split(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("crates/")?;
    path.split_once("/migrations/").filter(|(folder, _)| folder.matches('/').count() == 1)
}

/// The numbers that the migrations of a crate may have, by its folder.
pub(crate) fn numbers_of(folder: &str) -> RangeInclusive<u32> {
    if folder.ends_with("store") { 1..=99 } else { 100..=9999 }
}

fn numbers(
    start: &str,
    allowed: RangeInclusive<u32>,
    names: &BTreeSet<&str>,
    findings: &mut Vec<Finding>,
) {
    let mut expected = *allowed.start();
    for name in names {
        let path = format!("{start}/{name}");
        let Some(number) = number_of(name) else {
            let message = "is not named NNNN_verb_noun.sql".to_owned();
            findings.push(Finding::of_file("migrations", path, message));
            continue;
        };
        if number != expected || !allowed.contains(&number) {
            let message = format!(
                "number {number:04} stands where {expected:04} is due ({:04} to {:04} here)",
                allowed.start(),
                allowed.end()
            );
            findings.push(Finding::of_file("migrations", path, message));
        }
        expected = number + 1;
    }
}

/// The number of a migration whose file is well named: `0002_add_payouts.sql` is 2.
pub(crate) fn number_of(name: &str) -> Option<u32> {
    let (number, rest) = name.strip_suffix(".sql")?.split_once('_')?;
    let digits = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
    (digits && is_verb_noun(rest)).then(|| number.parse().ok())?
}

/// Whether the text is at least two words of `a-z 0-9`, joined by `_`.
pub(crate) fn is_verb_noun(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.contains('_') && text.split('_').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str]) -> Vec<String> {
        let files: Vec<(&str, &str)> = paths.iter().map(|path| (*path, "")).collect();
        check(&Tree::of(&files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn pairs_in_order_are_right() {
        let paths = [
            "crates/refunds/migrations/sqlite/0100_create_orders.sql",
            "crates/refunds/migrations/postgres/0100_create_orders.sql",
            "crates/refunds/migrations/sqlite/0101_add_payouts.sql",
            "crates/refunds/migrations/postgres/0101_add_payouts.sql",
            "docs/migrations/notes.md",
        ];
        assert_eq!(found(&paths), [""; 0]);
    }

    #[test]
    fn a_missing_twin_is_named() {
        let found = found(&["crates/refunds/migrations/sqlite/0100_create_orders.sql"]);
        assert_eq!(found.len(), 1);
        let path = "crates/refunds/migrations/postgres/0100_create_orders.sql";
        assert!(found[0].contains(path), "{found:?}");
    }

    #[test]
    fn different_names_of_one_number_are_two_missing_twins() {
        let paths = [
            "crates/refunds/migrations/sqlite/0100_create_orders.sql",
            "crates/refunds/migrations/postgres/0100_create_refunds.sql",
        ];
        assert_eq!(found(&paths).len(), 2);
    }

    #[test]
    fn gaps_repetitions_and_bad_names_are_found_in_each_tree() {
        for bad in
            ["0102_add_payouts.sql", "0100_add_payouts.sql", "101_add_payouts.sql", "0101_Add.sql"]
        {
            let files = ["0100_create_orders.sql", bad].map(|name| {
                DATABASES.map(|database| format!("crates/refunds/migrations/{database}/{name}"))
            });
            let files: Vec<&str> = files.iter().flatten().map(String::as_str).collect();
            assert_eq!(found(&files).len(), 2, "{bad}");
        }
    }

    #[test]
    fn the_first_99_numbers_belong_to_the_store() {
        let pair = |folder: &str, name: &str| {
            DATABASES.map(|database| format!("crates/{folder}/migrations/{database}/{name}"))
        };
        for (folder, name, findings) in [
            ("store", "0001_create_platform.sql", 0),
            ("store", "0100_create_platform.sql", 2),
            ("store", "0002_create_platform.sql", 2),
            ("refunds", "0001_create_refunds.sql", 2),
        ] {
            let [one, other] = pair(folder, name);
            assert_eq!(found(&[&one, &other]).len(), findings, "{folder}/{name}");
        }
    }

    #[test]
    fn a_file_beside_the_two_folders_is_found() {
        assert_eq!(found(&["crates/refunds/migrations/0100_create_orders.sql"]).len(), 1);
        assert_eq!(found(&["crates/refunds/migrations/mysql/0100_create_orders.sql"]).len(), 1);
    }
}
