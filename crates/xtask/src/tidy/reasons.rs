//! Every code that callers can meet stands in `docs/errors.md`, and nothing else does.
//!
//! Invariant: a string of two or more UPPER_SNAKE words in the code that answers calls is a code
//! for callers and has its row, unless [`OTHERS`] says what it is instead. A row whose code no
//! source names is a finding too, and so is an idle entry of that list.

use std::collections::BTreeMap;

use super::seams::is_test_file;
use super::{Finding, tree::Tree};

/// The page that explains the codes: one in backquotes at the start of each row of its tables.
const PAGE: &str = "docs/errors.md";
/// The crates whose codes reach callers.
const CRATES: [&str; 7] =
    ["api", "cases", "client", "feedback", "notifications", "refunds", "runtime"];
/// Strings of the same shape that are none, and what they are.
const OTHERS: &[(&str, &str)] = &[
    ("ASKED_TO_WAIT", "why a lane rests"),
    ("CALLS_FAIL", "why a lane rests"),
    ("CARGO_PKG_VERSION", "what cargo tells a build"),
    ("DISRUPTION_ABORTED", "what somebody did"),
    ("DISRUPTION_APPROVED", "what somebody did"),
    ("DISRUPTION_CREATED", "what somebody did"),
    ("DISRUPTION_EXTENDED", "what somebody did"),
    ("DISRUPTION_PAUSED", "what somebody did"),
    ("DISRUPTION_RESUMED", "what somebody did"),
    ("DISRUPTION_RETRIED", "what somebody did"),
    ("DISRUPTION_STARTED", "what somebody did"),
    ("FLIGHT_LEG", "a kind of line"),
    ("HALF_OPEN", "a state"),
    ("HOTEL_NIGHT", "a kind of line"),
    ("NOTHING_DUE", "a state"),
    ("PENDING_APPROVAL", "a state"),
    ("RAIL_LEG", "a kind of line"),
    ("SCREAMING_SNAKE_CASE", "a way of writing, for serde"),
    ("UPPER_SNAKE", "the same, for people"),
];

/// Finds codes without a row, and rows without a code.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    compare(tree, OTHERS)
}

fn compare(tree: &Tree, others: &[(&str, &str)]) -> Vec<Finding> {
    let named = named(tree);
    let rows = rows(tree);
    let mut findings = Vec::new();
    for (code, (path, line)) in &named {
        let is_code = code.contains('_') && !others.iter().any(|(other, _)| other == code);
        if is_code && !rows.contains_key(code) {
            let message = format!("`{code}` has no row in {PAGE}: say what a caller should do");
            findings.push(Finding::at("reasons", *path, *line, message));
        }
    }
    for (code, line) in rows.iter().filter(|(code, _)| !named.contains_key(*code)) {
        let message = format!("no source names `{code}`");
        findings.push(Finding::at("reasons", PAGE, *line, message));
    }
    for (other, _) in others.iter().filter(|(other, _)| !named.contains_key(other)) {
        let message = format!("no source names `{other}` any more: remove it from OTHERS");
        findings.push(Finding::of_file("reasons", "crates/xtask/src/tidy/reasons.rs", message));
    }
    findings
}

/// The UPPER_SNAKE strings of the code, tests left out, with the first place of each.
fn named(tree: &Tree) -> BTreeMap<&str, (&str, usize)> {
    let mut found = BTreeMap::new();
    let lexed: BTreeMap<_, _> = tree.rust().collect();
    for (path, text) in tree.with_extension("rs").filter(|(path, _)| answers_calls(path)) {
        let Some(lines) = lexed.get(path) else { continue };
        let mut for_tests = false;
        for ((number, raw), line) in (1..).zip(text.lines()).zip(*lines) {
            for_tests |= line.code.contains("#[cfg(test)]");
            if for_tests && line.code.contains("mod ") {
                if line.code.ends_with('{') {
                    break;
                }
                for_tests = false;
            }
            // A literal stands between two quotes, and the lexer tells it from a comment.
            let quoted = raw.split('"').filter(|part| is_code(part) && line.text.contains(*part));
            for code in quoted {
                found.entry(code).or_insert((path, number));
            }
        }
    }
    found
}

fn answers_calls(path: &str) -> bool {
    let inner = path.strip_prefix("crates/").and_then(|rest| rest.split_once("/src/"));
    inner.is_some_and(|(name, _)| CRATES.contains(&name)) && !is_test_file(path)
}

/// One or more words of capitals and digits, joined by `_`.
fn is_code(text: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    text.len() > 1 && text.split('_').all(word)
}

/// The codes that begin the rows of the page's tables, with the line of each.
fn rows(tree: &Tree) -> BTreeMap<&str, usize> {
    let page = tree.texts().find(|(path, _)| *path == PAGE).map_or("", |(_, text)| text);
    let codes = (1..).zip(page.lines()).filter_map(|(number, line)| {
        let (code, _) = line.strip_prefix("| `")?.split_once('`')?;
        is_code(code).then_some((code, number))
    });
    codes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "crates/refunds/src/grpc/status.rs";
    const OTHER: &[(&str, &str)] = &[("GIFT_CARD", "a kind of tender")];

    fn found(source: &str, page: &str) -> Vec<String> {
        let tree = Tree::of(&[(SOURCE, source), (PAGE, page)]);
        compare(&tree, OTHER).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn codes_with_rows_and_rows_with_codes_are_right() {
        let source = "fn f() { g(\"GIFT_CARD\"); h(\"QUOTE_USED\", \"INTERNAL\") }";
        let page = "# Errors\n| reason | do |\n|---|---|\n| `QUOTE_USED` | x |\n| `INTERNAL` | y |";
        assert_eq!(found(source, page), [""; 0]);
    }

    #[test]
    fn a_code_without_a_row_is_found_where_it_stands() {
        let source = "fn f() {\n g(\"GIFT_CARD\");\n h(\"QUOTE_USED\") }";
        for page in ["", "`QUOTE_USED` in a sentence", "| `QUOTE_EXPIRED_TOO` | x |"] {
            let found = found(source, page);
            assert!(found[0].starts_with(&format!("{SOURCE}:3: `QUOTE_USED`")), "{found:?}");
        }
    }

    #[test]
    fn a_row_without_a_code_is_found() {
        let found = found("fn f() { g(\"GIFT_CARD\") }", "| `QUOTE_USED` | x |");
        assert_eq!(found, ["docs/errors.md:1: no source names `QUOTE_USED` [reasons]"]);
    }

    #[test]
    fn an_exception_that_excepts_nothing_is_found() {
        assert_eq!(found("fn f() {}", "").len(), 1);
    }

    #[test]
    fn comments_tests_and_other_crates_name_no_codes() {
        let source = "// says \"QUOTE_USED\"\nfn f() { g(\"GIFT_CARD\", \"a QUOTE_USED b\") }\n\
                      #[cfg(test)]\nmod sample {\nconst A: &str = \"ANOTHER_CODE\"; }";
        let tree = Tree::of(&[
            (SOURCE, source),
            ("crates/refunds/tests/it/main.rs", "const A: &str = \"QUOTE_USED\";"),
            ("crates/redress/src/cli.rs", "const A: &str = \"REDRESS_DATA\";"),
        ]);
        assert_eq!(compare(&tree, OTHER), []);
    }
}
