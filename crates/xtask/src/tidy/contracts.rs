//! Every RPC states who may call it.
//!
//! Invariant: a method without a non-empty `access` option does not pass; servers refuse it at run
//! time too, and this check says so before anything is built.

use super::{Finding, tree::Tree};

/// Finds methods without an access rule.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_extension("proto") {
        for rpc in rpcs(&code_of(text)) {
            if !rpc.has_access {
                let message = format!(
                    "rpc {} says not who may call it: set option (redress.common.v1.access)",
                    rpc.name
                );
                findings.push(Finding::at("contracts", path, rpc.line, message));
            }
        }
    }
    findings
}

struct Rpc {
    name: String,
    line: usize,
    has_access: bool,
}

/// The text with comments and the contents of strings blanked out, lines kept.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            '"' | '\'' => string_len(rest, c),
            _ => {
                code.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            }
        };
        code.extend(rest[..len].chars().filter(|c| *c == '\n'));
        rest = &rest[len..];
    }
    code
}

/// The length of the string literal that `text` begins with, quotes included.
fn string_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn rpcs(code: &str) -> Vec<Rpc> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("rpc ") {
        let starts_a_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if !starts_a_word {
            continue;
        }
        let declaration = &code[at + "rpc ".len()..];
        let name = declaration.split('(').next().unwrap_or_default().trim().to_owned();
        let end = declaration.find([';', '{']).unwrap_or(declaration.len());
        let body =
            if declaration[end..].starts_with('{') { block(&declaration[end..]) } else { "" };
        let line = code[..at].matches('\n').count() + 1;
        found.push(Rpc { name, line, has_access: has_access(body) });
    }
    found
}

/// The block that `text` begins with, up to its closing brace.
fn block(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return &text[..=at],
            '}' => depth -= 1,
            _ => {}
        }
    }
    text
}

/// Whether the body sets the option and names a role in it.
fn has_access(body: &str) -> bool {
    let Some((_, value)) = body.split_once("access)") else { return false };
    let Some((_, roles)) = value.split_once("roles") else { return false };
    let list = roles.split([']', '}', ';']).next().unwrap_or_default();
    list.contains(|c: char| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let tree = Tree::of(&[("proto/a.proto", text)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    const RIGHT: &str = "service S {
      // rpc Commented(A) returns (B);
      rpc Get(A) returns (B) {
        option (redress.common.v1.access) = {
          roles: [PLATFORM, AGENT]
        };
      }
      rpc List(A) returns (B) { option (access) = { roles: PLATFORM }; }
    }
    message M { string corpc = 1 [(x) = \"rpc Quoted(A) returns (B);\"]; }";

    #[test]
    fn a_method_with_roles_is_right() {
        assert_eq!(found(RIGHT), [""; 0]);
    }

    #[test]
    fn a_method_without_roles_is_found_with_its_line() {
        for wrong in [
            "rpc Get(A) returns (B);",
            "rpc Get(A) returns (B) {}",
            "rpc Get(A) returns (B) { option deprecated = true; }",
            "rpc Get(A) returns (B) { option (access) = { roles: [] }; }",
            "rpc Get(A) returns (B) { // option (access) = { roles: [AGENT] };\n}",
        ] {
            let found = found(&format!("service S {{\n{wrong}\n{RIGHT}"));
            assert_eq!(found.len(), 1, "{wrong}");
            assert!(found[0].starts_with("proto/a.proto:2:"), "{found:?}");
            assert!(found[0].contains("rpc Get "), "{found:?}");
        }
    }
}
