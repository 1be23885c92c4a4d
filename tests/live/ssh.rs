//! The same as on sandbox hosts, on machines that are reached over SSH: as root, or as a user who may `sudo -n`.

use crate::lab::Lab;
use crate::machines::Machines;
use crate::{canary, lost, platform, upgrade};

#[test]
fn a_canary_over_ssh() {
    let machines = Machines::up(3, "ops", false);
    canary::every_failure(&canary::converged(Lab::over_ssh("canary-ssh", canary::CLUSTER, machines)));
}

#[test]
fn the_platform_over_ssh() {
    let machines = Machines::up(3, "root", false);
    platform::every_day(&Lab::over_ssh("platform-ssh", &platform::demo(), machines));
}

#[test]
#[ignore = "accept tier"]
fn a_lost_controller_over_ssh() {
    let machines = Machines::up(3, "root", false);
    lost::whoever_comes_finishes(canary::converged(Lab::over_ssh("lost-ssh", canary::CLUSTER, machines)));
}

#[test]
#[ignore = "accept tier"]
fn an_upgrade_under_load_over_ssh() {
    let machines = Machines::up(3, "root", false);
    upgrade::upgraded_under_load(&Lab::over_ssh("upgrade-ssh", &upgrade::before(), machines));
}

#[test]
#[ignore = "accept tier"]
fn a_controller_that_dies_again_and_again_over_ssh() {
    let machines = Machines::up(3, "ops", false);
    upgrade::dies_again_and_again(Lab::over_ssh("crash-ssh", &upgrade::before(), machines));
}
