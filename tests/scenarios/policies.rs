//! The policies of scenarios.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aks_stop_guard::policy::{DEFAULT_POLICIES, Policies, PolicyFile};

/// The default policies and some more. What was loaded once is kept: validating takes most of an unoptimised scenario's time.
pub(crate) fn load(extra: &str) -> Result<Policies, Vec<String>> {
    static LOADED: Mutex<BTreeMap<String, Policies>> = Mutex::new(BTreeMap::new());
    if let Some(loaded) = LOADED.lock().unwrap().get(extra) {
        return Ok(loaded.clone());
    }
    let policies = Policies::load(&[DEFAULT_POLICIES, PolicyFile { name: "extra.cedar", text: extra }])
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    LOADED.lock().unwrap().insert(extra.to_owned(), policies.clone());
    Ok(policies)
}
