//! Debian packages, through apt: downloaded, not installed, so no root is needed.

use super::Fetcher;
use crate::artifact::ArtifactError;
use crate::artifact::client::Call;
use crate::lock::LockedFile;

impl Fetcher<'_> {
    /// Downloads one package; apt compares it with the signed index.
    pub(super) async fn deb(&self, package: &str) -> Result<Vec<LockedFile>, ArtifactError> {
        let work = self.cache.workplace()?;
        Call::new(&self.clients.apt_get, "apt (on Debian and its relatives)", work.path(), self.clients.limit)
            .args(["--quiet", "download", package])
            .run()
            .await?;
        Ok(vec![self.only("apt-get", package, work.path(), "deb")?])
    }
}
