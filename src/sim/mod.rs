//! A platform in memory: hosts, processes and services that know every operation and every question, with faults. It is
//! deterministic (its clock is tokio's, which tests pause), works on verdicts and not on protocols, and keeps a trace of
//! every effect, so that an observer that knows nothing of the executor can judge what happened.

mod behaviour;
mod effect;
mod faults;
mod host;
mod machine;
mod observe;
mod services;
mod trace;
mod whole;
mod world;

pub use behaviour::Behaviour;
pub use faults::{Bad, Crash, Faults, When};
pub use machine::{Generation, Instance, Machine, Process};
pub use trace::{Effect, Traced};

use crate::desired::Desired;
use crate::host::{Host, Platform, Services};
use crate::model::{HostName, InstanceId, Name, ServiceName};
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use world::World;

/// The simulated platform. Clones are the same platform.
#[derive(Clone)]
pub struct Cluster {
    world: Arc<Mutex<World>>,
    died: Arc<watch::Sender<bool>>,
}

impl Cluster {
    /// Empty hosts for everything that is declared.
    pub fn new(desired: &Desired, behaviour: Behaviour, seed: u64) -> Self {
        let mut world = World::new(behaviour, seed);
        world.declare(desired);
        Self { world: Arc::new(Mutex::new(world)), died: Arc::new(watch::Sender::new(false)) }
    }

    /// A copy of the platform as it is now, which then goes its own way. The clock is the same.
    #[must_use]
    pub fn fork(&self) -> Self {
        let world = self.world().clone();
        Self { world: Arc::new(Mutex::new(world)), died: Arc::new(watch::Sender::new(false)) }
    }

    /// The file changed: new hosts and instances are known from now on.
    pub fn declare(&self, desired: &Desired) {
        self.world().declare(desired);
    }

    /// Sets what goes wrong from now on, counting operations from here; a controller that died is replaced by a new one.
    pub fn set_faults(&self, faults: Faults) {
        self.world().set_faults(faults);
        self.died.send_replace(false);
    }

    /// Returns when the controller died of the crash that [`Faults`] ask for: drop its apply then.
    pub async fn died(&self) {
        let mut died = self.died.subscribe();
        if died.wait_for(|died| *died).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// How many operations were asked for since the faults were set: where a crash can be.
    pub fn operations(&self) -> usize {
        self.world().operations
    }

    /// Everything that happened since the last call.
    pub fn take_trace(&self) -> Vec<Traced> {
        std::mem::take(&mut self.world().trace)
    }

    /// All hosts.
    pub fn hosts(&self) -> Vec<HostName> {
        self.world().hosts.keys().cloned().collect()
    }

    /// A machine as it is now.
    pub fn machine(&self, host: &HostName) -> Option<Machine> {
        self.world().settled().hosts.get(host).cloned()
    }

    /// Changes a machine by hand, behind the executor's back.
    pub fn by_hand(&self, host: &HostName, change: impl FnOnce(&mut Machine)) {
        if let Some(machine) = self.world().settled().hosts.get_mut(host) {
            change(machine);
        }
    }

    /// The process of an instance dies, and its supervisor has given up on it.
    pub fn kill(&self, instance: &InstanceId) {
        self.by_hand(&instance.host, |machine| {
            if let Some(one) = machine.instances.get_mut(instance.role.as_str()) {
                one.die();
            }
        });
    }

    /// The host boots again: every process is gone; where something starts at boot, it starts what is not held, each at its
    /// current generation.
    pub fn reboot(&self, host: &HostName) {
        let mut world = self.world();
        let own = world.pid();
        let count = world.hosts.get(host).map_or(0, |machine| machine.instances.len());
        let pids: Vec<u32> = (0..count).map(|_| world.pid()).collect();
        if let Some(machine) = world.settled().hosts.get_mut(host) {
            machine.reboot(own, &pids);
        }
    }

    /// A setting of a service.
    pub fn setting(&self, service: &ServiceName, setting: &Name) -> Value {
        self.world().settings.get(&(service.clone(), setting.clone())).cloned().unwrap_or(Value::Null)
    }

    /// Changes a setting by hand.
    pub fn set_setting(&self, service: &ServiceName, setting: &Name, value: Value) {
        self.world().settings.insert((service.clone(), setting.clone()), value);
    }

    /// Instances that serve now.
    pub fn ready(&self) -> Vec<InstanceId> {
        self.world().settled().ready().into_iter().collect()
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platform for Cluster {
    fn host(&self, name: &HostName) -> Option<Arc<dyn Host>> {
        self.world().hosts.contains_key(name).then(|| {
            let host: Arc<dyn Host> = Arc::new(host::SimHost { name: name.clone(), cluster: self.clone() });
            host
        })
    }

    fn services(&self) -> Arc<dyn Services> {
        Arc::new(services::SimServices { cluster: self.clone() })
    }
}
