//! Splits Rust source into code, comments and text, line by line.
//!
//! Invariant: a word inside a comment or a string literal is never taken for code, so that the
//! other checks may look for words without parsing Rust. Line `n` of the source is `lines[n - 1]`.

/// What stands on one line.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The code; a string literal appears as `""`, a character literal as `''`.
    pub(crate) code: String,
    /// Text of comments, with their slashes.
    pub(crate) comment: String,
    /// Contents of string literals.
    pub(crate) text: String,
}

/// One word of code and whether it begins or goes on with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    pub(crate) name: &'a str,
    /// Preceded by `::` or `.`: not the root of a path.
    pub(crate) follows: bool,
    /// What stands behind it, blanks removed.
    pub(crate) rest: &'a str,
}

/// The words of a line of code, numbers and lifetimes left out.
pub(crate) fn words(code: &str) -> impl Iterator<Item = Word<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + code[at..].find(is_word_char)?;
            let len = code[start..].find(|c| !is_word_char(c)).unwrap_or(code.len() - start);
            at = start + len;
            let before = code[..start].trim_end();
            if code[start..].starts_with(|c: char| c.is_ascii_digit()) || before.ends_with('\'') {
                continue;
            }
            let follows = before.ends_with("::") || ends_with_one_dot(before);
            return Some(Word { name: &code[start..at], follows, rest: code[at..].trim_start() });
        }
    })
}

/// A method call or field, not the `..` of a range or a struct update.
fn ends_with_one_dot(before: &str) -> bool {
    before.ends_with('.') && !before.ends_with("..")
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Splits `source`; unterminated literals and comments run to the end of the file.
pub(crate) fn lex(source: &str) -> Vec<Line> {
    let mut lexer = Lexer { chars: source.chars().collect(), at: 0, lines: vec![Line::default()] };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    lexer.lines
}

#[derive(Clone, Copy)]
enum Into {
    Code,
    Comment,
    Text,
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    lines: Vec<Line>,
}

impl Lexer {
    fn step(&mut self) {
        match (self.chars[self.at], self.peek(1)) {
            ('/', Some('/')) => self.line_comment(),
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.quote(),
            (c, _) if is_word_char(c) => self.word(),
            _ => self.take(Into::Code),
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Moves one character on, into the given part of its line.
    fn take(&mut self, into: Into) {
        let c = self.chars[self.at];
        self.at += 1;
        if c == '\n' {
            self.lines.push(Line::default());
            return;
        }
        let Some(line) = self.lines.last_mut() else { return };
        match into {
            Into::Code => line.code.push(c),
            Into::Comment => line.comment.push(c),
            Into::Text => line.text.push(c),
        }
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.take(Into::Comment);
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(c) = self.peek(0) {
            let pair = (c, self.peek(1));
            self.take(Into::Comment);
            match pair {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => continue,
            }
            self.take(Into::Comment);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.take(Into::Code);
        while let Some(c) = self.peek(0) {
            if c == '"' {
                return self.take(Into::Code);
            }
            self.take(Into::Text);
            if c == '\\' && self.peek(0).is_some() {
                self.take(Into::Text);
            }
        }
    }

    /// A raw string after its `r`: as many `#` behind the closing quote as before the opening one.
    fn raw_string(&mut self, hashes: usize) {
        self.at += hashes;
        self.take(Into::Code);
        while let Some(c) = self.peek(0) {
            if c == '"' && (1..=hashes).all(|n| self.peek(n) == Some('#')) {
                self.take(Into::Code);
                self.at += hashes;
                return;
            }
            self.take(Into::Text);
        }
    }

    /// A character literal or a lifetime.
    fn quote(&mut self) {
        let escaped = self.peek(1) == Some('\\');
        if !escaped && self.peek(2) != Some('\'') {
            return self.take(Into::Code);
        }
        self.take(Into::Code);
        self.take(Into::Text);
        if escaped && self.peek(0).is_some() {
            self.take(Into::Text);
        }
        while self.peek(0).is_some_and(|c| c != '\'' && c != '\n') {
            self.take(Into::Text);
        }
        if self.peek(0) == Some('\'') {
            self.take(Into::Code);
        }
    }

    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_some_and(is_word_char) {
            self.take(Into::Code);
        }
        let word: String = self.chars[start..self.at].iter().collect();
        if matches!(word.as_str(), "r" | "br" | "cr") {
            let hashes = self.chars[self.at..].iter().take_while(|c| **c == '#').count();
            if self.peek(hashes) == Some('"') {
                self.raw_string(hashes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(source: &str) -> Line {
        let lines = lex(source);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].clone()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let line = only(r#"let a = "sqlx // no"; // sqlx too"#);
        assert_eq!(line.code, r#"let a = ""; "#);
        assert_eq!(line.text, "sqlx // no");
        assert_eq!(line.comment, "// sqlx too");
    }

    #[test]
    fn escapes_raw_strings_and_characters_end_where_rust_ends_them() {
        assert_eq!(only(r#"f("a\"b"); g()"#).code, r#"f(""); g()"#);
        assert_eq!(only(r##"f(r#"a"b"#); g()"##).code, r#"f(r""); g()"#);
        assert_eq!(only(r#"f(br"a\"); g()"#).code, r#"f(br""); g()"#);
        assert_eq!(only(r"f('\'', '/', '\\'); g()").code, "f('', '', ''); g()");
        assert_eq!(only("fn f<'a>(x: &'a str) {}").code, "fn f<'a>(x: &'a str) {}");
        assert_eq!(only("let r#type = 1; // x").code, "let r#type = 1; ");
    }

    #[test]
    fn literals_and_block_comments_may_span_lines() {
        let lines = lex("a(\"x\ny\") /* b /* c */\nd */ e");
        let code: Vec<&str> = lines.iter().map(|line| line.code.as_str()).collect();
        assert_eq!(code, ["a(\"", "\") ", " e"]);
        assert_eq!(lines[1].text, "y");
        assert_eq!(lines[2].comment, "d */");
    }

    #[test]
    fn unterminated_input_ends_with_the_file() {
        for source in ["\"", "r#\"", "/*", "'\\", "'"] {
            assert_eq!(lex(source).len(), 1, "{source}");
        }
    }

    #[test]
    fn words_know_whether_a_path_begins_with_them() {
        let found: Vec<(&str, bool)> = words("use a::b; x.c(&'d ..e, 10, f ::g)")
            .map(|word| (word.name, word.follows))
            .collect();
        let expected = [
            ("use", false),
            ("a", false),
            ("b", true),
            ("x", false),
            ("c", true),
            ("e", false),
            ("f", false),
            ("g", true),
        ];
        assert_eq!(found, expected);
    }
}
