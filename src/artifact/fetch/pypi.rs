//! Wheels, through pip. Only wheels: a source distribution would run its own code while it is looked at.

use super::Fetcher;
use crate::artifact::ArtifactError;
use crate::artifact::client::Call;
use crate::lock::LockedFile;

impl Fetcher<'_> {
    /// Downloads one wheel; pip compares it with the digest that the index publishes.
    pub(super) async fn pypi(&self, requirement: &str) -> Result<Vec<LockedFile>, ArtifactError> {
        let work = self.cache.workplace()?;
        Call::new(&self.clients.python, "python3 with pip", work.path(), self.clients.limit)
            .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"])
            .args(["--disable-pip-version-check", "--progress-bar=off", "--dest", "."])
            .arg(requirement)
            .run()
            .await?;
        Ok(vec![self.only("pip", requirement, work.path(), "whl")?])
    }
}
