//! The objects of a large JSON list, one by one, in bounded memory.
//!
//! Invariant: no item longer than [`MAX_RECORD_BYTES`] is ever held, and a bad item does not cost
//! the ones after it: this splitter only counts brackets and quotes, and leaves the meaning of an
//! item to whoever parses it.

use std::fmt;
use std::io::{self, BufRead};

use super::record::MAX_RECORD_BYTES;

/// One item of the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where it starts in the file, from 0.
    pub(crate) offset: u64,
    /// Its bytes, or how many it has when they are too many to hold.
    pub(crate) bytes: Result<Vec<u8>, u64>,
}

/// The file cannot be read on.
#[derive(Debug)]
pub(crate) enum Broken {
    Io(io::Error),
    Truncated(u64),
    Unexpected { offset: u64, expected: &'static str },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot read on: {error}"),
            Self::Truncated(offset) => {
                write!(f, "the file is truncated: it ends at byte offset {offset}")
            }
            Self::Unexpected { offset, expected } => {
                write!(f, "not a page of results: expected {expected} at byte offset {offset}")
            }
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The items of the member `results` of the object in a file.
pub(crate) struct Results<R> {
    reader: R,
    offset: u64,
    state: State,
    count: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Members,
    Items,
    Done,
}

/// The bytes of a value, as far as they are kept.
struct Kept {
    bytes: Vec<u8>,
    limit: usize,
    length: u64,
}

impl Kept {
    const fn up_to(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, length: 0 }
    }

    fn push(&mut self, byte: u8) {
        self.length += 1;
        if self.bytes.len() < self.limit {
            self.bytes.push(byte);
        }
    }

    fn finish(self) -> Result<Vec<u8>, u64> {
        if self.length > self.limit as u64 { Err(self.length) } else { Ok(self.bytes) }
    }
}

impl<R: BufRead> Results<R> {
    pub(crate) const fn new(reader: R) -> Self {
        Self { reader, offset: 0, state: State::Start, count: None }
    }

    /// The member `count` of the object, as far as it was read.
    pub(crate) const fn announced(&self) -> Option<u64> {
        self.count
    }

    fn peek(&mut self) -> Result<u8, Broken> {
        let next = self.reader.fill_buf()?.first().copied();
        next.ok_or(Broken::Truncated(self.offset))
    }

    fn take(&mut self) -> Result<u8, Broken> {
        let byte = self.peek()?;
        self.reader.consume(1);
        self.offset += 1;
        Ok(byte)
    }

    /// The next byte that is no white space, left where it is.
    fn peek_token(&mut self) -> Result<u8, Broken> {
        loop {
            let byte = self.peek()?;
            if !byte.is_ascii_whitespace() {
                return Ok(byte);
            }
            self.take()?;
        }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Broken> {
        if self.peek_token()? != byte {
            return Err(Broken::Unexpected { offset: self.offset, expected });
        }
        self.take().map(drop)
    }

    fn advance(&mut self) -> Result<Option<Item>, Broken> {
        loop {
            match self.state {
                State::Done => return Ok(None),
                State::Start => {
                    if self.peek()? == 0xEF {
                        // A byte order mark; what else starts like that fails at the brace.
                        for _ in 0..3 {
                            self.take()?;
                        }
                    }
                    self.expect(b'{', "an object")?;
                    self.state = State::Members;
                }
                State::Members => self.member()?,
                State::Items => match self.peek_token()? {
                    b',' => drop(self.take()?),
                    b']' => {
                        self.take()?;
                        self.state = State::Members;
                    }
                    _ => {
                        let offset = self.offset;
                        let bytes = self.value(MAX_RECORD_BYTES)?;
                        return Ok(Some(Item { offset, bytes }));
                    }
                },
            }
        }
    }

    fn member(&mut self) -> Result<(), Broken> {
        match self.peek_token()? {
            b',' => self.take().map(drop),
            b'}' => {
                self.state = State::Done;
                self.take().map(drop)
            }
            b'"' => {
                let key = self.value(64)?.unwrap_or_default();
                self.expect(b':', "a colon")?;
                if key == b"\"results\"" {
                    self.expect(b'[', "the list of results")?;
                    self.state = State::Items;
                    return Ok(());
                }
                self.peek_token()?;
                let value = self.value(64)?.unwrap_or_default();
                if key == b"\"count\"" {
                    self.count = str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
                }
                Ok(())
            }
            _ => Err(Broken::Unexpected { offset: self.offset, expected: "a member's name" }),
        }
    }

    /// Reads one value to its end and keeps up to `limit` bytes of it.
    fn value(&mut self, limit: usize) -> Result<Result<Vec<u8>, u64>, Broken> {
        let mut kept = Kept::up_to(limit);
        let mut depth = 0_u64;
        loop {
            let byte = self.peek()?;
            let ends_scalar = depth == 0
                && kept.length > 0
                && (matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace());
            if ends_scalar {
                return Ok(kept.finish());
            }
            kept.push(self.take()?);
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' => self.string(&mut kept)?,
                _ => continue,
            }
            if depth == 0 {
                return Ok(kept.finish());
            }
        }
    }

    /// Reads the rest of a string whose opening quote is taken.
    fn string(&mut self, kept: &mut Kept) -> Result<(), Broken> {
        loop {
            let byte = self.take()?;
            kept.push(byte);
            match byte {
                b'"' => return Ok(()),
                b'\\' => kept.push(self.take()?),
                _ => {}
            }
        }
    }
}

impl<R: BufRead> Iterator for Results<R> {
    type Item = Result<Item, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().inspect_err(|_| self.state = State::Done).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &[u8]) -> (Vec<String>, Option<String>, Option<u64>) {
        let mut results = Results::new(text);
        let (mut items, mut broken) = (Vec::new(), None);
        for item in &mut results {
            match item {
                Ok(Item { bytes: Ok(bytes), .. }) => {
                    items.push(String::from_utf8_lossy(&bytes).into_owned());
                }
                Ok(Item { bytes: Err(length), .. }) => items.push(format!("{length} bytes")),
                Err(error) => broken = Some(error.to_string()),
            }
        }
        (items, broken, results.announced())
    }

    #[test]
    fn items_come_out_whole_whatever_stands_in_their_texts() {
        let page = br#" {"count": 3, "next": null, "x": {"results": [9]},
            "results": [ {"a": "}]\"{"}, [1, [2]], "b" , 7 ], "previous": ["]"]} "#;
        let (items, broken, count) = split(page);
        assert_eq!(items, [r#"{"a": "}]\"{"}"#, "[1, [2]]", r#""b""#, "7"]);
        assert_eq!((broken, count), (None, Some(3)));
    }

    #[test]
    fn a_truncated_file_gives_what_stands_before_its_end() {
        let page = br#"{"count": 3, "results": [{"a": 1}, {"a": 2}, {"a": "#;
        let (items, broken, _) = split(page);
        assert_eq!(items, [r#"{"a": 1}"#, r#"{"a": 2}"#]);
        assert_eq!(broken.unwrap(), "the file is truncated: it ends at byte offset 51");
        assert!(split(b"").1.unwrap().contains("byte offset 0"));
    }

    #[test]
    fn an_item_beyond_the_limit_is_measured_and_the_next_one_read() {
        let long = "x".repeat(MAX_RECORD_BYTES);
        let page = format!(r#"{{"results": [{{"a": "{long}"}}, {{"a": 2}}]}}"#);
        let (items, broken, _) = split(page.as_bytes());
        assert_eq!(items, [format!("{} bytes", MAX_RECORD_BYTES + 9), r#"{"a": 2}"#.to_owned()]);
        assert_eq!(broken, None);
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for page in [&b"[1]"[..], b"<html>", br#"{"results": 5}"#, b"{5}", br#"{"a" 1}"#] {
            let (items, broken, _) = split(page);
            assert!(items.is_empty());
            assert!(broken.unwrap().contains("not a page of results"));
        }
    }
}
