//! Vendor files: the folder that `--install` names, then `install/` beside the cluster file.

use super::Fetcher;
use crate::artifact::ArtifactError;
use crate::lock::LockedFile;

impl Fetcher<'_> {
    /// Copies a vendor file; compared with `NAME.sha512` and `NAME.sha1` when they are beside it.
    pub(super) fn local(&self, name: &str) -> Result<Vec<LockedFile>, ArtifactError> {
        for folder in self.vendor {
            let path = folder.join(name);
            if path.is_file() {
                Self::check_beside(&path)?;
                return Ok(vec![self.cache.admit(&path, name, self.limit)?]);
            }
        }
        Err(ArtifactError::Absent { name: name.to_owned(), looked: self.vendor.to_vec() })
    }
}
