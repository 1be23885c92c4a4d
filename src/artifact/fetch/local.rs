//! Vendor files: the folder that `--install` names, then `install/` beside the cluster file.

use super::Fetcher;
use crate::artifact::ArtifactError;
use crate::lock::LockedFile;
use std::path::PathBuf;

impl Fetcher<'_> {
    /// Copies a vendor file; compared with `NAME.sha512` and `NAME.sha1` when they are beside it.
    pub(super) fn local(&self, name: &str) -> Result<Vec<LockedFile>, ArtifactError> {
        let absent = || ArtifactError::Absent { name: name.to_owned(), looked: self.vendor.to_vec() };
        let path = self.vendored(name).ok_or_else(absent)?;
        Self::check_beside(&path)?;
        Ok(vec![self.cache.admit(&path, name, self.limit)?])
    }

    /// Where a vendor file is.
    pub(in crate::artifact) fn vendored(&self, name: &str) -> Option<PathBuf> {
        self.vendor.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }
}
