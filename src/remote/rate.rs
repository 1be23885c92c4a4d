//! How fast artifacts leave this program, over all hosts together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// A limit that all transfers of a run share. None at first.
#[derive(Debug, Default)]
pub struct Rate {
    /// Bytes a second; 0 is no limit.
    per_second: AtomicU64,
    /// When what was let through so far has gone at that speed.
    until: Mutex<Option<Instant>>,
}

impl Rate {
    /// Sets the limit, in bytes a second.
    pub fn limit(&self, per_second: u64) {
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    /// Waits until so many bytes may go.
    pub(super) async fn take(&self, bytes: usize) {
        let per_second = self.per_second.load(Ordering::Relaxed);
        if per_second == 0 {
            return;
        }
        let micros = (bytes as u64).saturating_mul(1_000_000) / per_second;
        let mut until = self.until.lock().await;
        let now = Instant::now();
        let begin = until.map_or(now, |until| until.max(now));
        let end = begin.checked_add(Duration::from_micros(micros)).unwrap_or(begin);
        *until = Some(end);
        drop(until);
        sleep_until(end).await;
    }
}

#[cfg(test)]
mod tests {
    use super::Rate;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn all_transfers_together_are_no_faster() {
        let (rate, begin) = (Arc::new(Rate::default()), Instant::now());
        rate.take(1 << 30).await;
        assert_eq!(begin.elapsed(), Duration::ZERO, "no limit at first");
        rate.limit(1000);
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let rate = Arc::clone(&rate);
                tokio::spawn(async move {
                    for _ in 0..5 {
                        rate.take(500).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("it ends");
        }
        assert_eq!(begin.elapsed().as_secs(), 10, "10,000 bytes at 1,000 a second");
    }
}
