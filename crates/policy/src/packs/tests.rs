//! Every pack is sound, complete and keeps its examples.

use std::fs;
use std::path::Path;

use super::*;
use crate::model::Status;
use crate::texts::{Language, Texts};

#[test]
fn every_pack_is_sound_and_keeps_its_examples() {
    for pack in Pack::all() {
        let report = pack.report();
        assert_eq!(report.problems, [], "{}", pack.id);
        assert!(report.examples > 0 && report.examples_passed == report.examples, "{}", pack.id);
        assert_eq!(pack.policy().unwrap().id.as_str(), pack.id);
    }
}

#[test]
fn every_file_is_in_the_table_in_order() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packs");
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
    files.sort_unstable();
    let table: Vec<_> = Pack::all().iter().map(|pack| format!("{}.toml", pack.id)).collect();
    assert_eq!(files, table);
}

fn complete(texts: &Texts) -> bool {
    matches!(texts, Texts::Several(texts) if Language::ALL.iter().all(|l| texts.contains_key(l)))
}

/// Everything that a pack says to people, with where it stands.
fn texts(policy: &Policy) -> Vec<(String, &Texts)> {
    let mut all: Vec<(String, &Texts)> = Vec::new();
    for fact in &policy.facts {
        all.push((fact.name.clone(), &fact.question));
    }
    for (kind, name) in &policy.documents {
        all.push((kind.clone(), name));
    }
    for tier in &policy.tiers {
        let texts = tier.words.iter().chain(&tier.review);
        all.extend(texts.map(|texts| (tier.rule.clone(), texts)));
    }
    for rule in &policy.overrides {
        let texts = rule.words.iter().chain(&rule.review);
        all.extend(texts.map(|texts| (rule.rule.clone(), texts)));
    }
    for row in &policy.compensations {
        all.extend(row.words.iter().map(|texts| (row.rule.clone(), texts)));
        if let crate::compensation::Pays::Review(reason) = &row.pays {
            all.push((row.rule.clone(), reason));
        }
    }
    all
}

#[test]
fn every_text_is_there_in_every_language() {
    for pack in Pack::all() {
        for (place, text) in texts(pack.policy().unwrap()) {
            assert!(complete(text), "{}: {place} lacks a language", pack.id);
        }
    }
}

#[test]
fn every_condition_is_told_in_words() {
    for pack in Pack::all() {
        let policy = pack.policy().unwrap();
        let tiers = policy.tiers.iter().map(|t| (&t.rule, &t.condition, &t.words, &t.review));
        let overrides =
            policy.overrides.iter().map(|o| (&o.rule, &o.condition, &o.words, &o.review));
        for (rule, condition, words, review) in tiers.chain(overrides) {
            let told = condition.is_none() || words.is_some() || review.is_some();
            assert!(told, "{}: {rule} has a condition and no words", pack.id);
        }
        for row in &policy.compensations {
            let review = matches!(row.pays, crate::compensation::Pays::Review(_));
            let told = row.condition.is_none() || row.words.is_some() || review;
            assert!(told, "{}: {} has a condition and no words", pack.id, row.rule);
        }
    }
}

#[test]
fn every_document_that_is_asked_for_has_a_name() {
    for pack in Pack::all() {
        let policy = pack.policy().unwrap();
        let evidence = policy.overrides.iter().flat_map(|rule| &rule.evidence);
        for kind in evidence.chain(policy.facts.iter().filter_map(|f| f.document.as_ref())) {
            assert!(policy.documents.contains_key(kind), "{}: {kind} has no name", pack.id);
        }
    }
}

#[test]
fn every_priced_example_names_its_article() {
    for pack in Pack::all() {
        let unnamed = pack.report().cases.iter().find(|example| example.is_unnamed());
        assert_eq!(unnamed, None, "{}", pack.id);
    }
}

#[test]
fn what_is_not_in_force_is_not_active() {
    for id in ["eu-air-261-2027", "us-ticket-act"] {
        let status = Pack::find(id).unwrap().policy().unwrap().status;
        assert_ne!(status, Status::Active, "{id}");
    }
}
