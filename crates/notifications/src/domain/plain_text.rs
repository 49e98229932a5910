//! Text that others wrote, made safe to stand in one of our messages.
//!
//! Invariant: what leaves here is one line without control or direction characters, of bounded
//! length, so that it can neither start a header, nor a paragraph of its own, nor turn the text
//! around it.

/// The longest piece of foreign text in a message, in characters.
pub const MAX_CHARS: usize = 120;

/// `text` as one clean line of at most [`MAX_CHARS`] characters: line breaks and runs of white
/// space become one space; control characters, and those that reorder or hide text, are dropped.
pub fn plain_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(MAX_CHARS * 4));
    let mut chars = 0;
    let mut space_due = false;
    for c in text.chars() {
        if c.is_whitespace() {
            space_due = chars > 0;
        } else if !c.is_control() && !is_invisible(c) {
            let needed = 1 + usize::from(space_due);
            if chars + needed >= MAX_CHARS {
                line.push('…');
                break;
            }
            if space_due {
                line.push(' ');
            }
            line.push(c);
            chars += needed;
            space_due = false;
        }
    }
    line
}

/// The name to greet a buyer by; empty when there is none, or when what stands in its place would
/// be a link or an address in the reader's mail program. Buyers type their names themselves, and
/// our messages must not carry a stranger's advertisement.
pub fn greeting_name(display_name: &str) -> String {
    let name = plain_line(display_name);
    let lower = name.to_ascii_lowercase();
    let suspicious = ["://", "www.", "@", "<", ">", "[", "]", "/", "\\"];
    if suspicious.iter().any(|mark| lower.contains(mark)) || looks_like_a_host(&lower) {
        return String::new();
    }
    name
}

/// Whether a dot stands between two letters or digits, as in `spam.example`; `J. R. Smith` and
/// `Dr. Who` have a space behind each dot.
fn looks_like_a_host(name: &str) -> bool {
    let chars: Vec<char> = name.chars().collect();
    chars.windows(3).any(|w| w[1] == '.' && w[0].is_alphanumeric() && w[2].is_alphanumeric())
}

/// Marks that reorder text (bidirectional controls) or take no room.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_becomes_one_clean_line() {
        let cases = [
            ("Main stand", "Main stand"),
            ("  Main \t stand\r\n", "Main stand"),
            ("a\r\nBcc: victim@example.com", "a Bcc: victim@example.com"),
            ("a\u{2028}b\u{0}c\u{7f}", "a bc"),
            ("\u{202e}evil\u{202c}", "evil"),
            ("", ""),
            (" \n ", ""),
            ("李雷", "李雷"),
            ("{{ brand }}", "{{ brand }}"),
        ];
        for (text, expected) in cases {
            assert_eq!(plain_line(text), expected, "{text:?}");
        }
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let line = plain_line(&"я".repeat(500));
        assert_eq!(line.chars().count(), MAX_CHARS);
        assert!(line.ends_with('…'));
    }

    #[test]
    fn a_name_that_mail_programs_would_turn_into_a_link_is_not_a_greeting() {
        for name in ["Ada Lovelace", "J. R. Smith", "O'Neill-Müller", "李雷", "Анна К."] {
            assert_eq!(greeting_name(name), name);
        }
        for name in [
            "Win at https://spam.example",
            "WWW.spam",
            "spam.example",
            "me@spam",
            "<b>Ada</b>",
            "a/b",
        ] {
            assert_eq!(greeting_name(name), "", "{name}");
        }
    }
}
