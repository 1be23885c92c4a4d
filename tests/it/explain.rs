//! `esplan explain`: what somebody who uses a module reads of it.

use crate::bad::{base, shown};
use es_cluster::config;
use es_cluster::diag::Sources;
use es_cluster::render::explain;

fn explained(name: &str) -> String {
    let mut sources = Sources::new();
    let (module, diagnostics) = config::load_module(&base(), name, "modules", &mut sources);
    explain(&module.unwrap_or_else(|| panic!("{}", shown(diagnostics.iter().cloned(), &sources))))
}

#[test]
fn a_module_is_explained_whole() {
    insta::assert_snapshot!(explained("store"));
}

#[test]
fn a_module_without_a_process_says_where_it_comes_from() {
    insta::assert_snapshot!(explained("runtime"));
}
