//! Secrets, given directly (mostly through the environment) or as a file.

use std::fs;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::problem::Checker;

/// The secret `key`, or the content of the file `<key>_file` without white space around it. `None`
/// when neither is given, or when what is given cannot be used: that is noted.
pub(super) fn read(
    check: &mut Checker,
    key: &str,
    given: Option<&SecretString>,
    file: Option<&Path>,
) -> Option<SecretString> {
    let secret = match (given, file) {
        (None, None) => return None,
        (Some(_), Some(_)) => {
            check.problem(key, "is given twice: keep it or its _file, not both");
            return None;
        }
        (Some(secret), None) => secret.clone(),
        (None, Some(path)) => match fs::read_to_string(path) {
            Ok(content) => SecretString::from(content.trim()),
            Err(error) => {
                let reason = format!("cannot read {}: {error}", path.display());
                check.problem(format!("{key}_file"), reason);
                return None;
            }
        },
    };
    let text = secret.expose_secret();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        check.problem(key, "expected printable ASCII without spaces, at least one character");
        return None;
    }
    Some(secret)
}
