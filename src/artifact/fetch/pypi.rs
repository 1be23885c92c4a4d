//! Wheels, through pip. Only wheels: a source distribution would run its own code while it is looked at.

use super::{Fetcher, files_in};
use crate::artifact::ArtifactError;
use crate::artifact::client::Call;
use crate::lock::LockedFile;
use std::path::PathBuf;

impl Fetcher<'_> {
    /// Downloads one wheel for each requirement, in one call; pip compares them with the digests that the index publishes.
    /// What a wheel says it needs is not resolved: which packages are there, and in which version, is the module's to say.
    pub(super) async fn pypi(&self, requirements: &[String]) -> Result<Vec<LockedFile>, ArtifactError> {
        let work = self.cache.workplace()?;
        Call::new(&self.clients.python, "python3 with pip", work.path(), self.clients.limit)
            .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"])
            .args(["--disable-pip-version-check", "--progress-bar=off", "--dest", "."])
            .args(requirements.iter().map(String::as_str))
            .run()
            .await?;
        let mut wheels: Vec<PathBuf> = files_in(work.path())?;
        wheels.retain(|path| path.extension().is_some_and(|end| end == "whl"));
        if wheels.len() != requirements.len() {
            return Err(ArtifactError::Unexpected {
                client: "pip",
                expected: format!("one .whl file for each of {}", requirements.join(", ")),
                found: format!("{} files", wheels.len()),
            });
        }
        wheels.iter().map(|wheel| self.admit(wheel)).collect()
    }
}
