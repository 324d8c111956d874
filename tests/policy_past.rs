//! `policy learn`, `policy replay` and `report`, run as people run them: against the simulated Azure over HTTP and a real Azurite.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

#[path = "support/azurite.rs"]
mod azurite;
#[path = "policy_past/learn.rs"]
mod learn;
#[path = "policy_past/replay.rs"]
mod replay;
#[path = "policy_past/report.rs"]
mod report;
#[path = "support/stored_state.rs"]
mod stored_state;

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use done::Done;

#[path = "support/done.rs"]
mod done;

/// The subscription of all clusters here.
const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

/// Runs the binary in the project's folder, with no environment but this.
async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Done {
    let output = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the binary runs");
    Done::of(output)
}

/// The text with every time in it as `<time>`: these tests live in real time.
fn timeless(text: &str) -> String {
    let is_time = |word: &str| {
        let word = word.trim_end_matches([',', ';', ':']);
        word.len() == 20 && word.ends_with('Z') && word.contains('T') && word.starts_with("20")
    };
    let words = text.split_inclusive([' ', '\n', '"']).map(|word| {
        let bare = word.trim_end_matches([' ', '\n', '"']);
        let time = bare.trim_end_matches([',', ';', ':']);
        if is_time(bare) { word.replace(time, "<time>") } else { word.to_owned() }
    });
    words.collect()
}
