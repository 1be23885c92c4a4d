//! The order of services, tiers and instances, as graphs. Each transform is a file; what they make is data, so that
//! the same graph that plans can be shown.

mod cycle;
mod reduce;
mod services;
mod sort;
mod stages;
#[cfg(test)]
mod tests;

pub use cycle::Cycle;
pub use reduce::reduced;
pub use stages::{Stage, Stages, TierOrder};

use crate::desired::Desired;
use crate::model::ServiceName;

/// The services, each after those that it comes after; by name where nothing orders them.
///
/// # Errors
/// When services come after each other in a circle.
pub fn service_order(desired: &Desired) -> Result<Vec<ServiceName>, Cycle> {
    let graph = services::edges(desired);
    let order = sort::by_name(&graph).ok_or_else(|| cycle::find(&graph))?;
    Ok(order.into_iter().map(|node| graph[node].clone()).collect())
}

/// The services that come before a service, directly or through others.
pub fn before(desired: &Desired, service: &ServiceName) -> Vec<ServiceName> {
    services::before(&services::edges(desired), service)
}

/// The tiers of all services as one graph: what starts after what. Transitively reduced.
///
/// # Errors
/// When services come after each other in a circle.
pub fn stages(desired: &Desired, order: impl Fn(&ServiceName) -> TierOrder) -> Result<Stages, Cycle> {
    let services = service_order(desired)?;
    Ok(stages::build(desired, &services, &services::edges(desired), order))
}
