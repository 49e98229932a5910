//! Surveys: one question, and the rule for whom to ask.
//!
//! Invariant: a survey asks only after outcomes that it names, and never a customer who was asked
//! within its quiet time.

use std::time::Duration;

use redress_core::id::SurveyId;

use super::invitation::Suppression;
use super::settled::Outcome;

/// The id of the one survey that every tenant has.
const REFUND_EXPERIENCE: &str = "refund-experience";

/// One question, and the rule for whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The survey's id.
    pub id: SurveyId,
    /// What is measured, and on which scale.
    pub display_name: &'static str,
    /// A customer who was asked within this many days is not asked again.
    pub quiet_days: u16,
}

impl Survey {
    /// How satisfied a customer is with a refund after a disruption: CSAT, 1 to 5.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "the id is a literal that a test reads back"
    )]
    pub fn refund_experience() -> Self {
        Self {
            id: SurveyId::new(REFUND_EXPERIENCE).expect("the literal keeps to the id alphabet"),
            display_name: "How satisfied are you with your refund? CSAT, 1 to 5",
            quiet_days: 30,
        }
    }

    /// The surveys that every tenant has, by id.
    pub fn built_in() -> Vec<Self> {
        vec![Self::refund_experience()]
    }

    /// Why a customer is not asked after `outcome`; `None` when the survey asks.
    pub const fn withholds(&self, outcome: Outcome) -> Option<Suppression> {
        match outcome {
            Outcome::NothingDue => Some(Suppression::NothingRefunded),
            Outcome::Attention => Some(Suppression::RefundUnresolved),
            Outcome::Succeeded => None,
        }
    }

    /// Outcomes of a disruption after which a customer is asked.
    pub fn invited_outcomes(&self) -> Vec<Outcome> {
        Outcome::ALL.into_iter().filter(|outcome| self.withholds(*outcome).is_none()).collect()
    }

    /// How long a customer who was asked is left in peace.
    pub fn quiet_time(&self) -> Duration {
        Duration::from_hours(u64::from(self.quiet_days) * 24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_survey_asks_the_paid_once_a_month() {
        let survey = Survey::refund_experience();
        assert_eq!(survey.id.resource_name(), "surveys/refund-experience");
        assert_eq!(survey.invited_outcomes(), [Outcome::Succeeded]);
        assert_eq!(survey.quiet_time(), Duration::from_hours(30 * 24));
        assert_eq!(Survey::built_in(), [survey]);
    }
}
