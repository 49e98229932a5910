//! What every source file keeps to: a purpose, a size, finished code, tests that do not sleep.
//!
//! Invariant: a word counts where it means something: `todo!` in code, a mark of unfinished work in
//! comments, a machine's path anywhere.

use super::lexer::{Line, words};
use super::seams::is_test_file;
use super::{Finding, tree::Tree, tree::has_extension};

/// The longest file, in lines.
const MAX_LINES: usize = 500;
/// Macros that stand in for code that is missing.
const STUBS: [&str; 2] = ["todo", "unimplemented"];
/// The one kind of function in a test that may wait: it polls until a deadline, where the thing
/// waited for happens in another process.
const POLL: &str = "eventually";
/// Marks of unfinished work.
const MARKS: [&str; 3] = ["TODO", "FIXME", "XXX"];
/// Roots of paths that exist on one machine only.
const MACHINE_ROOTS: [&str; 4] = ["/home/", "/root/", "/Users/", "/work/"];
/// The folder above the repository: nobody else has it.
const OUTSIDE: &str = "../shared";
/// Who wrote a line is told by version control, not by the line.
const AUTHORSHIP: [&str; 4] = ["co-authored-by", "ai-generated", "ai assistant", "language model"];

/// Finds files that break a rule of the house.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, lines) in tree.rust() {
        purpose(path, lines, &mut findings);
        stubs(path, lines, &mut findings);
        sleeps(path, lines, &mut findings);
    }
    for (path, text) in tree.texts() {
        length(path, text, &mut findings);
        machine_paths(path, text, &mut findings);
    }
    marks(tree, &mut findings);
    findings
}

fn purpose(path: &str, lines: &[Line], findings: &mut Vec<Finding>) {
    let inner_tests = path.contains("/src/") && is_test_file(path);
    let opens = lines.first().is_some_and(|line| line.comment.starts_with("//!"));
    if !opens && !inner_tests {
        let message = "open the module with `//!`: its purpose and its invariant".to_owned();
        findings.push(Finding::at("purpose", path, 1, message));
    }
}

fn length(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let counted = ["rs", "proto", "sql"].iter().any(|extension| has_extension(path, extension));
    let lines = text.lines().count();
    if counted && lines > MAX_LINES {
        let message = format!("{lines} lines; split a file before it passes {MAX_LINES}");
        findings.push(Finding::of_file("length", path, message));
    }
}

fn stubs(path: &str, lines: &[Line], findings: &mut Vec<Finding>) {
    for (number, line) in (1..).zip(lines) {
        let stub = words(&line.code).find(|word| STUBS.contains(&word.name) && is_call(word.rest));
        if let Some(word) = stub {
            let message = format!("`{}!`: what is not built yet is absent", word.name);
            findings.push(Finding::at("stubs", path, number, message));
        }
        if line.code.replace(' ', "").contains("#[ignore") {
            let message = "an ignored test proves nothing: repair it or remove it".to_owned();
            findings.push(Finding::at("stubs", path, number, message));
        }
    }
}

/// Whether a macro's name is followed by its call, and not by a comparison.
fn is_call(rest: &str) -> bool {
    rest.starts_with('!') && !rest.starts_with("!=")
}

fn sleeps(path: &str, lines: &[Line], findings: &mut Vec<Finding>) {
    let mut in_tests = is_test_file(path);
    let mut function = "";
    for (number, line) in (1..).zip(lines) {
        in_tests |= line.code.contains("mod tests");
        if let Some((_, name)) = line.code.split_once("fn ") {
            function = words(name).next().map_or("", |word| word.name);
        }
        let sleep = words(&line.code).find(|word| {
            matches!(word.name, "sleep" | "sleep_until") && word.rest.starts_with('(')
        });
        if in_tests && sleep.is_some() && function != POLL {
            let message = format!(
                "time never sleeps in a test: move a manual clock, pause tokio's, or poll the \
                 condition with a deadline in a function named `{POLL}`"
            );
            findings.push(Finding::at("sleeps", path, number, message));
        }
    }
}

fn marks(tree: &Tree, findings: &mut Vec<Finding>) {
    let marked = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| MARKS.contains(&word))
    };
    let message = || "finish it, or file an issue: sources hold no reminders".to_owned();
    for (path, lines) in tree.rust() {
        for (number, _) in (1..).zip(lines).filter(|(_, line)| marked(&line.comment)) {
            findings.push(Finding::at("marks", path, number, message()));
        }
    }
    for extension in ["proto", "sql", "toml", "yaml", "yml", "sh"] {
        for (path, text) in tree.with_extension(extension) {
            for (number, _) in (1..).zip(text.lines()).filter(|(_, line)| marked(line)) {
                findings.push(Finding::at("marks", path, number, message()));
            }
        }
    }
}

fn machine_paths(path: &str, text: &str, findings: &mut Vec<Finding>) {
    for (number, line) in (1..).zip(text.lines()) {
        let rooted = MACHINE_ROOTS.iter().find(|root| {
            line.match_indices(**root).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || "._~-/}".contains(c))
            })
        });
        if let Some(root) = rooted {
            let message = format!("`{root}` is a path of one machine");
            findings.push(Finding::at("paths", path, number, message));
        }
        if line.contains(OUTSIDE) {
            let message = format!("`{OUTSIDE}` lies outside the repository");
            findings.push(Finding::at("paths", path, number, message));
        }
        let lower = line.to_lowercase();
        if let Some(phrase) = AUTHORSHIP.iter().find(|phrase| lower.contains(*phrase)) {
            let message = format!("`{phrase}`: authorship is told by version control");
            findings.push(Finding::at("paths", path, number, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn every_module_says_its_purpose_first() {
        assert_eq!(rules("crates/a/src/x.rs", "//! Purpose.\n"), [""; 0]);
        for text in ["", "// no doc\n", "use std::fmt;\n//! late\n", "\n//! late\n"] {
            assert_eq!(rules("crates/a/src/x.rs", text), ["purpose"], "{text:?}");
        }
        assert_eq!(rules("crates/a/build.rs", ""), ["purpose"]);
        assert_eq!(rules("crates/a/tests/it/main.rs", ""), ["purpose"]);
        assert_eq!(rules("crates/a/src/x/tests.rs", ""), [""; 0]);
        assert_eq!(rules("crates/a/src/x_tests.rs", ""), [""; 0]);
    }

    #[test]
    fn long_files_are_refused() {
        let long = format!("//! P.\n{}", "\n".repeat(MAX_LINES));
        assert_eq!(rules("crates/a/src/x.rs", &long), ["length"]);
        assert_eq!(rules("crates/a/src/x.rs", &long[..long.len() - 1]), [""; 0]);
        assert_eq!(rules("docs/x.md", &long), [""; 0]);
    }

    #[test]
    fn stubs_are_refused_in_code_only() {
        for code in
            ["todo!()", "core::unimplemented!(\"later\")", "#[ignore]", "#[ignore = \"slow\"]"]
        {
            assert_eq!(rules("crates/a/src/x.rs", &format!("//! P.\n{code}")), ["stubs"], "{code}");
        }
        let fine = "//! P.\n// todo!()\nconst A: &str = \"todo!()\"; let b = todo != a;";
        assert_eq!(rules("crates/a/src/x.rs", fine), [""; 0]);
    }

    #[test]
    fn tests_do_not_sleep_and_workers_may() {
        for call in ["std::thread::sleep(d)", "tokio::time::sleep(d).await", "sleep_until(t)"] {
            let code = format!("//! P.\nfn f() {{ {call} }}");
            assert_eq!(rules("crates/a/tests/it/main.rs", &code), ["sleeps"], "{call}");
            assert_eq!(rules("tests/tests/saga.rs", &code), ["sleeps"], "{call}");
            assert_eq!(rules("crates/a/src/store/conformance/lease.rs", &code), ["sleeps"]);
            assert_eq!(rules("crates/a/src/worker.rs", &code), [""; 0], "{call}");
            let poll = format!("//! P.\nasync fn eventually<T>() {{\n{call}\n}}");
            assert_eq!(rules("crates/a/tests/it/main.rs", &poll), [""; 0], "{call}");
            let after = format!("{poll}\nfn f() {{\n{call}\n}}");
            assert_eq!(rules("crates/a/tests/it/main.rs", &after), ["sleeps"], "{call}");
            let inner = format!("//! P.\nmod tests {{ {call} }}");
            assert_eq!(rules("crates/a/src/worker.rs", &inner), ["sleeps"], "{call}");
        }
    }

    #[test]
    fn reminders_are_refused_where_they_are_comments() {
        assert_eq!(rules("crates/a/src/x.rs", "//! P.\n// TODO: more"), ["marks"]);
        assert_eq!(rules("proto/a.proto", "// FIXME"), ["marks"]);
        assert_eq!(rules("deploy/a.yaml", "a: 1 # XXX"), ["marks"]);
        assert_eq!(rules("crates/a/src/x.rs", "//! P.\nlet a = \"TODO\"; // TODOS"), [""; 0]);
    }

    #[test]
    fn paths_of_one_machine_are_refused_everywhere() {
        for line in ["cd /work/here", "path = \"/root/x\"", "(/home/me/a)", "see ../shared/x.md"] {
            assert_eq!(rules("docs/x.md", line), ["paths"], "{line}");
        }
        for line in ["https://example.org/work/a", "crates/home/x", "rework/home/"] {
            assert_eq!(rules("docs/x.md", line), [""; 0], "{line}");
        }
    }

    #[test]
    fn authorship_is_left_to_version_control() {
        assert_eq!(rules("docs/x.md", "Co-authored-by: somebody"), ["paths"]);
    }
}
