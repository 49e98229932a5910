//! A caller that goes away while its transaction begins leaves nothing behind.

use std::pin::pin;
use std::task::Poll;

use redress_store::{Database, DatabaseSettings};
use redress_testkit::{Backend, database};

/// One connection: what a caller leaves on it is what the next one finds.
async fn open(url: String) -> Database {
    let settings = DatabaseSettings { max_connections: 1, ..DatabaseSettings::new(url) };
    Database::connect(&settings).await.unwrap()
}

/// Polls `work` at most `polls` times and drops it; whether it was cut off.
async fn is_cut_off<T>(work: impl Future<Output = T>, polls: usize) -> bool {
    let mut work = pin!(work);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(true);
        }
        left -= 1;
        match work.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(false),
            Poll::Pending if left == 0 => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[test]
fn a_connection_never_comes_back_inside_a_transaction() {
    database::run(Backend::Postgres, open, async |database| {
        let Database::Postgres(postgres) = database else { panic!("not PostgreSQL") };
        for _round in 0..20 {
            for polls in 0.. {
                let cut = is_cut_off(postgres.snapshot(), polls).await;
                // Alone in its transaction, the second statement sees a later time than the first.
                let mut conn = postgres.pool.acquire().await.unwrap();
                let now = "SELECT now()::text";
                let first: String = sqlx::query_scalar(now).fetch_one(&mut *conn).await.unwrap();
                let second: String = sqlx::query_scalar(now).fetch_one(&mut *conn).await.unwrap();
                assert_ne!(first, second, "still in the transaction after {polls} polls");
                if !cut {
                    break;
                }
            }
        }
    });
}
