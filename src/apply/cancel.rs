//! The operator's wish to stop: once is *finish what is running and leave the service whole*, twice is *stop now*.

use std::sync::Arc;
use tokio::sync::watch;

/// A handle that everybody may clone: signals ask through it, the executor listens.
#[derive(Debug, Clone)]
pub struct Cancel {
    level: Arc<watch::Sender<u8>>,
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    /// Nobody has asked yet.
    pub fn new() -> Self {
        Self { level: Arc::new(watch::Sender::new(0)) }
    }

    /// Asks once more: call it for every signal.
    pub fn request(&self) {
        self.level.send_modify(|level| *level = level.saturating_add(1));
    }

    /// Whether nothing new may be started.
    pub fn is_requested(&self) -> bool {
        *self.level.borrow() >= 1
    }

    /// Whether everything ends now.
    pub fn is_forced(&self) -> bool {
        *self.level.borrow() >= 2
    }

    /// Returns when somebody has asked.
    pub async fn requested(&self) {
        self.reached(1).await;
    }

    /// Returns when somebody has asked twice.
    pub async fn forced(&self) {
        self.reached(2).await;
    }

    async fn reached(&self, wanted: u8) {
        let mut level = self.level.subscribe();
        if level.wait_for(|level| *level >= wanted).await.is_err() {
            // The sender is part of this handle, so it can't be gone while we wait.
            std::future::pending::<()>().await;
        }
    }
}
