//! The program: see `aks_stop_guard::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    aks_stop_guard::cli::run()
}
