//! Downloads, through curl: it knows the proxies and certificates of the machine.

use super::Fetcher;
use crate::artifact::ArtifactError;
use crate::artifact::checksum::{self, Algorithm};
use crate::artifact::client::{Call, ClientError};
use crate::lock::LockedFile;
use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Largest checksum file.
const MAX_SUMS: u64 = 64 * 1024;

impl Fetcher<'_> {
    /// Downloads a file and compares it with the sha512 of the module, or else with what lies beside it on the server.
    pub(super) async fn url(&self, url: &str, sha512: Option<&str>) -> Result<Vec<LockedFile>, ArtifactError> {
        let work = self.cache.workplace()?;
        let path = work.path().join("download");
        self.download(url, &path, self.limit).await?;
        match sha512 {
            Some(sum) => checksum::compare(&path, Algorithm::Sha512, sum, "the module")?,
            None => self.check_published(url, &path, work.path()).await?,
        }
        let name = url.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        Ok(vec![self.cache.admit(&path, name, self.limit)?])
    }

    /// A server that publishes no checksum is trusted for this first time: from then on the lock holds.
    async fn check_published(&self, url: &str, path: &Path, work: &Path) -> Result<(), ArtifactError> {
        for algorithm in [Algorithm::Sha512, Algorithm::Sha1] {
            let address = format!("{url}{}", algorithm.extension());
            let sums = work.join("sums");
            if self.download(&address, &sums, MAX_SUMS).await.is_err() {
                continue;
            }
            let text = std::fs::read(&sums).map_err(ArtifactError::disk("read", &sums))?;
            if let Some(published) = checksum::published(&String::from_utf8_lossy(&text), algorithm) {
                return checksum::compare(path, algorithm, &published, &address);
            }
        }
        Ok(())
    }

    async fn download(&self, url: &str, to: &Path, limit: u64) -> Result<(), ArtifactError> {
        let too_large = Cell::new(false);
        let folder = to.parent().unwrap_or(Path::new("."));
        // Once it is https it stays https.
        let redirects = if url.starts_with("https:") { "=https" } else { "=http,https" };
        let call = Call::new(&self.clients.curl, "curl", folder, self.clients.limit)
            .args(["--fail", "--silent", "--show-error", "--location", "--max-redirs", "10", "--globoff"])
            .args(["--proto", "=http,https", "--proto-redir", redirects, "--connect-timeout", "20"])
            .args(["--speed-limit", "100", "--speed-time", "60", "--output", "-", "--url", url]);
        let outcome = call
            .run_into(async |mut stdout| {
                let mut file = tokio::fs::File::create(to).await?;
                let size = tokio::io::copy(&mut (&mut stdout).take(limit + 1), &mut file).await?;
                file.flush().await?;
                if size > limit {
                    too_large.set(true);
                    return Err(io::Error::other("too large"));
                }
                Ok(((), VecDeque::new()))
            })
            .await;
        match outcome {
            Err(ClientError::Broken { .. }) if too_large.get() => {
                Err(ArtifactError::TooLarge { file: url.to_owned(), limit })
            }
            outcome => Ok(outcome?),
        }
    }
}
