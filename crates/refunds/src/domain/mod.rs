//! The rules of refunds, pure: no async, no I/O, no wire types.
//!
//! Everything here decides; `store` writes what was decided, in one transaction.

pub mod act;
pub mod attempt;
pub mod audit;
pub mod credit_note;
pub mod deadline;
pub mod disruption;
pub mod fact;
pub mod lane;
pub mod ledger;
pub mod order;
pub mod policy_choice;
pub mod price;
pub mod quote;
pub mod refund;
pub mod reserve;
pub mod settle;
