//! How much memory this process holds, and held at most.
//!
//! Invariant: what the system does not tell is `None`, never a guess.

use std::fs;

const STATUS: &str = "/proc/self/status";
/// Writing 5 here makes the present size the peak (proc(5)).
const CLEAR_REFS: &str = "/proc/self/clear_refs";

/// Forgets the peak so far; whether the system could.
pub(super) fn forget_peak() -> bool {
    fs::write(CLEAR_REFS, "5").is_ok()
}

/// The most that was resident since [`forget_peak`], in MiB.
pub(super) fn peak_mb() -> Option<f64> {
    read("VmHWM:")
}

/// What is resident now, in MiB.
pub(super) fn resident_mb() -> Option<f64> {
    read("VmRSS:")
}

fn read(field: &str) -> Option<f64> {
    mebibytes(&fs::read_to_string(STATUS).ok()?, field)
}

/// The value of a line such as `VmHWM:    12345 kB`.
fn mebibytes(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u32 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(f64::from(kibibytes) / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_in_mebibytes() {
        let status = "VmPeak:\t  999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 512 kB\n";
        assert_eq!(mebibytes(status, "VmHWM:"), Some(2.0));
        assert_eq!(mebibytes(status, "VmRSS:"), Some(0.5));
        assert_eq!(mebibytes(status, "VmSwap:"), None);
        assert_eq!(mebibytes("VmHWM: many kB", "VmHWM:"), None);
    }
}
