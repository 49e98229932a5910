//! The texts that ship: their names and what each is for.
//!
//! Invariant: a template exists in every [`Locale`](super::locale::Locale); the names are stored
//! and never change.

/// One text, in every shipped language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Template {
    /// An event was cancelled and the order has nothing left to refund.
    EventCancelled,
    /// A person has to look at the refund.
    RefundDelayed,
    /// The refund was paid in full.
    RefundIssued,
    /// An event was cancelled that the reader was on the waiting list for.
    WaitingListClosed,
}

impl Template {
    /// The collection segment of a template's resource name.
    pub const COLLECTION: &'static str = "templates";

    /// All templates, by name.
    pub const ALL: [Self; 4] =
        [Self::EventCancelled, Self::RefundDelayed, Self::RefundIssued, Self::WaitingListClosed];

    /// The id: the last segment of the resource name, and the name of the template's files.
    pub const fn id(self) -> &'static str {
        match self {
            Self::EventCancelled => "event-cancelled",
            Self::RefundDelayed => "refund-delayed",
            Self::RefundIssued => "refund-issued",
            Self::WaitingListClosed => "waiting-list-closed",
        }
    }

    /// What it tells the customer, for the people who run Redress.
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::EventCancelled => {
                "The event was cancelled and nothing is left to refund on the order."
            }
            Self::RefundDelayed => {
                "What has been refunded so far, and that a person takes care of the rest."
            }
            Self::RefundIssued => "The amount that was refunded and when to expect it.",
            Self::WaitingListClosed => {
                "The event was cancelled that the reader was on the waiting list for."
            }
        }
    }

    /// The template of this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.id() == id)
    }

    /// `templates/{template}`
    pub fn resource_name(self) -> String {
        format!("{}/{}", Self::COLLECTION, self.id())
    }

    /// Reads a resource name of a template that ships.
    pub fn from_resource_name(name: &str) -> Option<Self> {
        Self::from_id(name.strip_prefix(Self::COLLECTION)?.strip_prefix('/')?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_stand_in_order() {
        for template in Template::ALL {
            assert_eq!(Template::from_resource_name(&template.resource_name()), Some(template));
        }
        assert!(Template::ALL.is_sorted_by_key(|template| template.id()), "pages go by name");
        for unknown in ["templates/", "templates/none", "refund-issued", "templatesrefund-issued"] {
            assert_eq!(Template::from_resource_name(unknown), None, "{unknown}");
        }
    }
}
