//! A file line by line, in bounded memory.
//!
//! Invariant: no line longer than [`MAX_RECORD_BYTES`] is ever held; the lines after it are read
//! all the same.

use std::io::{self, BufRead, Read as _};

use super::record::MAX_RECORD_BYTES;

/// One line without its line break.
#[derive(Debug)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u64,
    pub(crate) content: Result<String, String>,
    /// Whether a line break followed; the last line of a truncated file has none.
    pub(crate) ended: bool,
}

pub(crate) struct Lines<R> {
    reader: R,
    number: u64,
    offset: u64,
    failed: bool,
}

impl<R: BufRead> Lines<R> {
    pub(crate) const fn new(reader: R) -> Self {
        Self { reader, number: 0, offset: 0, failed: false }
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let limit = MAX_RECORD_BYTES as u64 + 1;
        let start = self.offset;
        self.offset += self.reader.by_ref().take(limit).read_until(b'\n', &mut bytes)? as u64;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let mut ended = bytes.pop_if(|last| *last == b'\n').is_some();
        let content = if !ended && bytes.len() as u64 == limit {
            drop(bytes);
            ended = self.skip_line()?;
            let length = self.offset - start;
            Err(format!("the line has {length} bytes; at most {MAX_RECORD_BYTES} are allowed"))
        } else {
            bytes.pop_if(|last| *last == b'\r');
            String::from_utf8(bytes).map_err(|error| {
                let at = start + error.utf8_error().valid_up_to() as u64;
                format!("invalid UTF-8 at byte offset {at}")
            })
        };
        Ok(Some(Line { number: self.number, content, ended }))
    }

    /// Drops the rest of a line; false when the file ended first.
    fn skip_line(&mut self) -> io::Result<bool> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(false);
            }
            let line_break = buffer.iter().position(|byte| *byte == b'\n');
            let used = line_break.map_or(buffer.len(), |at| at + 1);
            self.reader.consume(used);
            self.offset += used as u64;
            if line_break.is_some() {
                return Ok(true);
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.failed {
            return None;
        }
        self.read().unwrap_or_else(|error| {
            self.failed = true;
            let content = Err(format!("cannot read on: {error}"));
            Some(Line { number: self.number + 1, content, ended: false })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<Line> {
        Lines::new(bytes).collect()
    }

    #[test]
    fn lines_lose_their_breaks_and_know_whether_they_had_one() {
        let lines = read(b"a\r\n\nb");
        let seen: Vec<_> =
            lines.iter().map(|l| (l.number, l.content.as_deref().unwrap(), l.ended)).collect();
        assert_eq!(seen, [(1, "a", true), (2, "", true), (3, "b", false)]);
    }

    #[test]
    fn a_line_beyond_the_limit_is_named_and_the_next_one_read() {
        let mut bytes = vec![b'x'; MAX_RECORD_BYTES];
        bytes.extend(b"\nshort\n");
        let lines = read(&bytes);
        assert_eq!(lines[0].content.as_ref().unwrap().len(), MAX_RECORD_BYTES);
        bytes.insert(0, b'x');
        let lines = read(&bytes);
        let error = lines[0].content.as_ref().unwrap_err();
        assert!(error.contains("1048578 bytes"), "{error}");
        assert_eq!(lines[1].content.as_deref(), Ok("short"));
    }

    #[test]
    fn invalid_utf_8_is_named_by_its_byte_offset() {
        let lines = read(b"ok\nab\xff\nok\n");
        assert_eq!(lines[1].content, Err("invalid UTF-8 at byte offset 5".to_owned()));
        assert_eq!(lines[2].content.as_deref(), Ok("ok"));
    }
}
