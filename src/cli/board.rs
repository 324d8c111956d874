//! `board`: what `cases` tells, as pages on this machine for people who would rather look. Reads only.

mod case;
mod case_view;
mod closed;
mod closed_view;
mod known;
mod overview;
mod picture;
mod refresh;
mod server;
mod site;

use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use jiff::Timestamp;

use self::known::Known;
use self::refresh::{FRESH_FOR, Turn, refresh};
use self::server::{Address, Token};
use super::operator::{Operator, block_on};
use super::{Exit, output};
use crate::config::Environment;
use crate::domain::text::hex;
use crate::functions;
use crate::guard::{Entropy as _, SystemEntropy};
use crate::store::Store;

/// Arguments of `board`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, as whoever `az login` logged in:
  export STOP_GUARD_STATE=azure://<account>/<container> STOP_GUARD_CREDENTIAL=azure-cli
  aks-stop-guard board

Open the address that it prints; Ctrl-C ends it. Only this machine can reach it, and only who has the address: do not send it on.
docs/BOARD.md says what the pages show.

Exit codes: 0 ended by Ctrl-C, 1 the port can't be had, 2 wrong arguments, 3 invalid settings.")]
pub(super) struct Args {
    /// Listen on this port of 127.0.0.1; 0 is any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// What the pages are made of.
struct Board {
    store: Store,
    now: Now,
    known: Mutex<Known>,
    turn: Turn,
    closed: closed::Closed,
    cases: case::Cases,
}

/// Tells the time, on Azure's clock as far as it was heard.
type Now = Box<dyn Fn() -> Timestamp + Send + Sync>;

impl Board {
    /// Brings what the overview shows up to date, if it is not.
    async fn look(self: &Arc<Self>) {
        let board = Arc::clone(self);
        let read = |reading| async move {
            let _until_done = reading;
            refresh(&board).await;
        };
        self.turn.take(FRESH_FOR, read).await;
    }
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let operator = match Operator::open(environment)? {
        Ok(operator) => operator,
        Err(exit) => return Ok(exit),
    };
    let token = token().context("this machine gives no random values")?;
    block_on(async {
        let store = operator.store.clone();
        let board = Arc::new(Board::new(store, Box::new(move || operator.now())));
        let listener = functions::bind(args.port).await.map_err(|error| {
            anyhow::anyhow!("port {} of 127.0.0.1 can't be had: {}", args.port, error.reason())
        })?;
        let port = listener.address().context("the socket has no address")?.port();
        let address = Address { port, token };
        output::print(&format!("{}\n", address.url()));
        output::error("open this address in a browser on this machine; Ctrl-C ends it\n");
        // The first page has something to show then. It is served meanwhile.
        let first = Arc::clone(&board);
        tokio::spawn(async move { first.look().await });
        let router = server::router(Arc::clone(&board), address)?;
        tokio::select! {
            never = functions::serve_router(listener, router) => match never {},
            ended = tokio::signal::ctrl_c() => ended.context("Ctrl-C can't be heard"),
        }
    })?;
    Ok(Exit::Ok)
}

/// 128 random bits, which nobody guesses.
fn token() -> Option<Token> {
    let mut random = [0_u8; 16];
    if !SystemEntropy.fill(&mut random) {
        return None;
    }
    Some(Token::new(hex(&random)))
}

#[cfg(test)]
mod tests;
