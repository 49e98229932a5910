//! One suite, both databases: what a store must do, stamped once per backend.
//!
//! Invariant: the macro only stamps tests; a case that is listed runs on both backends, under its
//! own name, in a database of its own.

/// Stamps one test per case and backend, named `sqlite::<case>` and `postgres::<case>`.
///
/// `open` is an `async fn(url: String) -> T` that opens and migrates the database at `url`; each
/// case is an `async fn(T)` that panics when the store is wrong.
///
/// ```text
/// redress_testkit::conformance! {
///     open = open_store;
///     a_stale_version_is_refused,
///     pages_are_stable_while_rows_are_added,
/// }
/// ```
#[macro_export]
macro_rules! conformance {
    (open = $open:ident; $($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $case() {
                $crate::database::run($crate::Backend::Sqlite, super::$open, super::$case);
            })+
        }
        mod postgres {
            $(#[test]
            fn $case() {
                $crate::database::run($crate::Backend::Postgres, super::$open, super::$case);
            })+
        }
    };
}
