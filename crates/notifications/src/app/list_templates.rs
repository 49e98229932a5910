//! Lists the texts that ship.

use crate::domain::template::Template;

/// Up to `limit` templates by id, behind `after`.
pub fn list_templates(after: Option<&str>, limit: usize) -> Vec<Template> {
    let behind = |template: &Template| after.is_none_or(|after| template.id() > after);
    Template::ALL.into_iter().filter(behind).take(limit).collect()
}
