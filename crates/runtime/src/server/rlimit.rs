//! The limit of open files, checked before it bites.
//!
//! Invariant: where the limit is known, a server only starts when it covers all connections it may
//! accept and what the process needs besides.

use super::StartError;

/// Files, pipes, databases, outgoing connections.
const BESIDES: u64 = 128;

/// Compares the soft limit with what `connections` need. Without `/proc` there is nothing to
/// compare with, and the accept loop's back-off stays as the only guard.
pub(super) fn check(connections: usize) -> Result<(), StartError> {
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else { return Ok(()) };
    let needed = connections as u64 + BESIDES;
    match soft_limit(&limits) {
        Some(available) if available < needed => Err(StartError::FileLimit { available, needed }),
        _ => Ok(()),
    }
}

/// The soft limit of open files in the format of `/proc/PID/limits`; `None` when unlimited.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max processes             63000                63000                processes\n\
                    Max open files            1024                 524288               files\n";
        assert_eq!(soft_limit(text), Some(1024));
        assert_eq!(soft_limit("Max open files            unlimited  unlimited  files\n"), None);
        assert_eq!(soft_limit(""), None);
    }

    #[test]
    fn too_many_connections_are_refused_before_they_come() {
        let error = check(usize::MAX / 2).unwrap_err();
        assert!(error.to_string().contains("server.limits.connections"), "{error}");
        assert!(check(1).is_ok());
    }
}
