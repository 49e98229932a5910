//! Relative links in Markdown lead somewhere.
//!
//! Invariant: a link without a scheme names a file or folder of this repository and, with `#`, a
//! heading of it; links in code are not links.

use super::{Finding, tree::Tree, tree::has_extension};

/// Finds links to files and headings that do not exist.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_extension("md") {
        for (line, target) in links(text) {
            if let Some(message) = broken(tree, path, text, target) {
                findings.push(Finding::at("links", path, line, message));
            }
        }
    }
    findings
}

/// Why the link leads nowhere.
fn broken(tree: &Tree, path: &str, text: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let resolved = if file.is_empty() { Some(path.to_owned()) } else { resolve(path, file) };
    let Some(resolved) = resolved.filter(|resolved| tree.contains(resolved)) else {
        return Some(format!("`{target}` leads to no file of this repository"));
    };
    if heading.is_empty() || !has_extension(&resolved, "md") {
        return None;
    }
    let linked = tree.texts().find(|(found, _)| *found == resolved).map_or(text, |(_, text)| text);
    let known = headings(linked).any(|known| known == heading);
    (!known).then(|| format!("`{target}`: {resolved} has no heading `#{heading}`"))
}

/// The path that `target` names, seen from the folder of `path`; `None` above the root.
fn resolve(path: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    if let Some(from_root) = target.strip_prefix('/') {
        return resolve("", from_root);
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The targets of inline links and of reference definitions, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for (at, _) in line.match_indices("](") {
            let inside_code = line[..at].matches('`').count() % 2 == 1;
            let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
            if !inside_code {
                found.push((number, target.trim_matches(['<', '>'])));
            }
        }
        let definition =
            line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        if let Some((_, target)) = definition {
            found.push((number, target.split(' ').next().unwrap_or_default()));
        }
    }
    found
}

/// The lines outside fenced code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The names under which a page's headings can be linked to.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter(|(_, line)| line.starts_with('#')).map(|(_, line)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("docs/page.md", text),
            ("docs/other.md", "# The second page, in full\n"),
            ("crates/core/src/lib.rs", ""),
            ("README.md", "# Redress\n```sh\n# no heading\n```\n"),
        ]);
        check(&tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_right() {
        for link in [
            "[a](other.md)",
            "[a](./other.md \"title\")",
            "[a](../README.md#redress)",
            "[a](../crates/core/)",
            "[a](/crates/core/src/lib.rs#L10)",
            "[a](other.md#the-second-page-in-full)",
            "[a]: ../README.md",
            "[a](https://example.org/x) [b](mailto:a@example.org)",
            "`[a](nowhere.md)`",
            "```\n[a](nowhere.md)\n```",
            "# Here\n[a](#here)",
        ] {
            assert_eq!(found(link), [""; 0], "{link}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for link in [
            "[a](nowhere.md)",
            "text ![a](img/flow.png) text",
            "[a](../../outside.md)",
            "[a](../README.md#no-heading)",
            "[a](#elsewhere)",
            "[a]: nowhere.md",
            "`code` [a](nowhere.md)",
        ] {
            assert_eq!(found(link).len(), 1, "{link}");
        }
    }
}
