//! Creates the next migration of a crate, for both databases at once.
//!
//! Invariant: both files get the same name, and a number that neither folder has yet.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::gate::Outcome;
use crate::tidy::migrations::{DATABASES, is_verb_noun, number_of, numbers_of};

/// Creates both files and prints their paths.
pub(crate) fn create(root: &Path, service: &str, verb_noun: &str) -> Result<Outcome> {
    ensure!(
        is_verb_noun(verb_noun),
        "`{verb_noun}` is no name for a migration: write verb and noun in a-z 0-9 and _, such as \
         add_payouts"
    );
    let folder = root.join("crates").join(service).join("migrations");
    ensure!(
        folder.parent().is_some_and(|krate| krate.join("Cargo.toml").is_file()),
        "`{service}` is no crate: there is no {}/Cargo.toml",
        folder.parent().unwrap_or(&folder).display()
    );
    let allowed = numbers_of(service);
    let mut last = allowed.start() - 1;
    for database in DATABASES {
        last = last.max(last_number(&folder.join(database))?);
    }
    let number = last + 1;
    ensure!(allowed.contains(&number), "`{service}` has used up its numbers, which end at {last}");
    let name = format!("{number:04}_{verb_noun}.sql");
    let title = verb_noun.replace('_', " ");
    for database in DATABASES {
        let file = folder.join(database).join(&name);
        fs::create_dir_all(folder.join(database))
            .with_context(|| format!("create {}", folder.join(database).display()))?;
        fs::write(&file, format!("-- {title}: say what changes and why.\n"))
            .with_context(|| format!("write {}", file.display()))?;
        println!("{}", file.strip_prefix(root).unwrap_or(&file).display());
    }
    Ok(Outcome::Done)
}

/// The highest number in the folder; 0 when it is empty or absent.
fn last_number(folder: &Path) -> Result<u32> {
    if !folder.exists() {
        return Ok(0);
    }
    let mut last = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        last = last.max(number_of(&entry?.file_name().to_string_lossy()).unwrap_or(0));
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn repository() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("crates/refunds/migrations/sqlite")).unwrap();
        fs::write(root.path().join("crates/refunds/Cargo.toml"), "").unwrap();
        root
    }

    #[test]
    fn numbers_go_on_from_the_higher_of_both_folders() {
        let root = repository();
        let folder = root.path().join("crates/refunds/migrations");
        create(root.path(), "refunds", "create_orders").unwrap();
        fs::write(folder.join("sqlite/0107_add_payouts.sql"), "").unwrap();
        create(root.path(), "refunds", "add_index").unwrap();
        for database in DATABASES {
            for name in ["0100_create_orders.sql", "0108_add_index.sql"] {
                assert!(folder.join(database).join(name).is_file(), "{database}/{name}");
            }
        }
    }

    #[test]
    fn bad_names_and_unknown_crates_create_nothing() {
        let root = repository();
        for name in ["payouts", "Add_payouts", "add payouts", "add_", "../add_x", ""] {
            assert!(create(root.path(), "refunds", name).is_err(), "{name}");
        }
        let error = create(root.path(), "refund", "add_payouts").unwrap_err().to_string();
        assert!(error.contains("`refund` is no crate"), "{error}");
        assert!(!root.path().join("crates/refund").exists());
    }
}
