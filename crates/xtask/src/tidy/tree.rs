//! The files of the repository, as the checks see them.
//!
//! Invariant: paths are relative to the root and use `/`; a file that is not UTF-8 has no text and
//! only counts as a target of links.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::lexer::{self, Line};

/// Folders that hold no source: build output, version control, a running installation's data.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "redress-data"];

/// All files by path.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, File>,
}

/// One file.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// Its text; `None` when it is not UTF-8.
    pub(crate) text: Option<String>,
    /// Its lines, split by [`lexer::lex`]; empty unless it is Rust.
    pub(crate) rust: Vec<Line>,
}

impl Tree {
    /// Reads everything below `root`.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    self.read_folder(&entry.path(), &format!("{prefix}{name}/"))?;
                }
            } else if kind.is_file() {
                let bytes = fs::read(entry.path())
                    .with_context(|| format!("read {}", entry.path().display()))?;
                self.insert(format!("{prefix}{name}"), String::from_utf8(bytes).ok());
            }
        }
        Ok(())
    }

    fn insert(&mut self, path: String, text: Option<String>) {
        let rust = match &text {
            Some(text) if has_extension(&path, "rs") => lexer::lex(text),
            _ => Vec::new(),
        };
        self.files.insert(path, File { text, rust });
    }

    /// A tree made of the given paths and texts.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.insert((*path).to_owned(), Some((*text).to_owned()));
        }
        tree
    }

    /// Whether a file or a folder stands at `path`; the root is `""`.
    pub(crate) fn contains(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self
                .files
                .range(folder.clone()..)
                .next()
                .is_some_and(|(p, _)| p.starts_with(&folder))
    }

    /// All paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The text files and their paths.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, file)| Some((path.as_str(), file.text.as_deref()?)))
    }

    /// The text files whose name ends with `.extension`.
    pub(crate) fn with_extension<'a>(
        &'a self,
        extension: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts().filter(move |(path, _)| has_extension(path, extension))
    }

    /// The Rust files, split into code, comments and text.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &[Line])> {
        self.files
            .iter()
            .filter(|(path, file)| has_extension(path, "rs") && file.text.is_some())
            .map(|(path, file)| (path.as_str(), file.rust.as_slice()))
    }
}

/// Whether the file's name ends with `.extension`.
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_there_and_skips_build_output() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["src", "target/debug", "crates/a/target"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("src/lib.rs"), "// hi\n").unwrap();
        fs::write(root.path().join("src/logo.png"), [0xff, 0xfe]).unwrap();
        fs::write(root.path().join("target/debug/x.rs"), "").unwrap();
        fs::write(root.path().join("crates/a/target/y.rs"), "").unwrap();

        let tree = Tree::read(root.path()).unwrap();

        assert_eq!(tree.paths().collect::<Vec<_>>(), ["src/lib.rs", "src/logo.png"]);
        assert_eq!(tree.texts().count(), 1);
        assert_eq!(tree.rust().next().unwrap().1[0].comment, "// hi");
    }

    #[test]
    fn contains_files_and_folders_and_nothing_else() {
        let tree = Tree::of(&[("docs/a.md", ""), ("docs-old/b.md", "")]);
        for (path, expected) in
            [("docs/a.md", true), ("docs", true), ("", true), ("doc", false), ("docs/b.md", false)]
        {
            assert_eq!(tree.contains(path), expected, "{path}");
        }
    }
}
