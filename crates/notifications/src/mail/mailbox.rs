//! A folder of messages, one `.eml` file each: for development, demonstrations and tests.
//!
//! Invariant: a file named after a notification is a whole message: it is written beside its place
//! and then renamed into it, and a second copy of the same mail replaces the first. Files are not
//! synced to disk one by one; a machine that loses power may lose the last ones.

use std::path::{Path, PathBuf};
use std::{fs, io};

use async_trait::async_trait;

use super::compose::compose;
use super::{Mail, MailError, Mailer};

/// Writes messages into a folder.
#[derive(Debug, Clone)]
pub struct MailboxMailer {
    folder: PathBuf,
}

impl MailboxMailer {
    /// Uses `folder`, and creates it when it is missing.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Where the messages are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

#[async_trait]
impl Mailer for MailboxMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let bytes = compose(mail)?.formatted();
        // Ids hold letters, digits and `. _ ~ -` only; behind a prefix they are no path.
        let unfinished = self.folder.join(format!(".{}.unfinished", mail.id));
        let place = self.folder.join(format!("{}.eml", mail.id));
        let write = move || {
            fs::write(&unfinished, bytes)?;
            fs::rename(&unfinished, &place)
        };
        tokio::task::spawn_blocking(write)
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(MailError::Folder)
    }
}
