//! Lists the laws that come with Redress.

use redress_policy::Pack;

use crate::store::{Listed, Page};

/// The laws behind a page, by id. They are compiled in, the same for every tenant.
pub fn list_policy_packs(page: &Page) -> Listed<&'static Pack> {
    let behind = |pack: &&Pack| page.after.as_deref().is_none_or(|after| pack.id > after);
    let mut rest = Pack::all().iter().filter(behind);
    let size = usize::try_from(page.size).unwrap_or(usize::MAX);
    let rows: Vec<_> = rest.by_ref().take(size).collect();
    Listed { rows, more: rest.next().is_some(), total: None }
}
