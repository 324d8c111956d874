//! `simulator serve`.

use anyhow::Result;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) async fn run(_arguments: Arguments) -> Result<()> {
    anyhow::bail!("the HTTP face is not built yet")
}
