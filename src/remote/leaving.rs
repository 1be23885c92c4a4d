//! An instance that leaves: what would start it is removed, its data stays, until somebody names that too.

use super::Transport;
use super::machine::{Calls, Machine};
use crate::desired::{DesiredHost, DesiredInstance};
use crate::host::{Failure, HostError};
use crate::model::RoleId;
use crate::supervisor::{Supervisor, SupervisorError};
use std::time::Duration;

/// A few small files, and a sync of the disk under load.
const WITHDRAW_WITHIN: Duration = Duration::from_mins(5);

/// Data may be large, and a file system slow at deleting it.
const PURGE_WITHIN: Duration = Duration::from_mins(30);

impl<T: Transport> Machine<T> {
    /// Records that nothing is left on it.
    pub(super) async fn drained(&self, host: &DesiredHost, instance: &DesiredInstance) -> Result<(), HostError> {
        let (what, path) =
            (format!("recording that {} is drained", instance.id.role), format!("run/{}.drained", instance.id.role));
        let calls = Calls::one("write", [path.as_str()]);
        self.change(&what, &host.prefix, &calls, Vec::new(), WITHDRAW_WITHIN).await.map(|_| ())
    }

    /// Removes what would start it, and its configuration. Refused while it runs.
    pub(super) async fn withdraw(&self, host: &DesiredHost, instance: &DesiredInstance) -> Result<(), HostError> {
        let role = instance.id.role.as_str();
        let calls = Calls::one("withdraw", [role, instance.unit.as_str()]);
        let what = format!("removing the configuration of {role}");
        self.units(&what, &host.prefix, &calls, Vec::new(), WITHDRAW_WITHIN).await?;
        let socket = self.socket(host);
        match Supervisor::new(&socket).forget(&instance.process.program).await {
            // Without a supervisor nobody has to forget it.
            Ok(()) | Err(SupervisorError::Silent { .. }) => Ok(()),
            Err(error) => Err(self.supervisor_error(&error)),
        }
    }

    /// Deletes data. A link to data that is elsewhere is removed, and that data is left alone.
    pub(super) async fn purge(&self, host: &DesiredHost, role: &RoleId) -> Result<(), HostError> {
        let what = format!("deleting the data of {role}");
        let calls = Calls::one("purge", [role.as_str()]);
        let said = self.change(&what, &host.prefix, &calls, Vec::new(), PURGE_WITHIN).await?;
        if said.is_empty() {
            Ok(())
        } else {
            Err(self.error(Failure::Stop, format!("{what}: {}", String::from_utf8_lossy(&said))))
        }
    }
}
