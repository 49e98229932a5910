//! The templates that come with Redress are sound, say what they are, and keep their examples.

use std::fs;
use std::path::Path;

use redress_policy::check::report;

#[test]
fn every_template_keeps_its_examples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let report = report(&fs::read_to_string(&path).unwrap());
        assert_eq!(report.problems, [], "{name}");
        assert!(report.examples >= 2 && report.examples_passed == report.examples, "{name}");
        let policy = report.policy.unwrap();
        assert!(policy.citation.title.starts_with("The organiser's own terms"), "{name}");
        assert_eq!(policy.id.as_str(), name.replace('_', "-"));
        names.push(name);
    }
    names.sort_unstable();
    let expected = ["flexible", "moderate", "non_refundable", "strict", "tiered_percent"];
    assert_eq!(names, expected);
}

#[test]
fn the_demos_policy_is_still_read_as_it_is() {
    let text = include_str!("../../redress/data/demo/policy.toml");
    let policy = redress_policy::check::check(text).unwrap();
    assert_eq!((policy.id.as_str(), policy.tiers.len()), ("standard", 3));
}
