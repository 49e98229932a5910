//! What runs without being asked.

mod dispatch;

pub use dispatch::DispatchWorker;
