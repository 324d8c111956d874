//! Every interleaving of small worlds, breadth first, over the real case machine.
//!
//! * `core` asks the real functions of `src/case`; `canonical` makes records equal that nothing can tell apart.
//! * `shell` and `closing` model the order of effects of `src/guard`, `world` what happens around it.
//! * `end` says what has to hold, and runs a state to its fair end. `search` goes through the states.
//! * `scenarios` are the worlds, `mutants` the rules done wrong. The bounds are in docs/RELIABILITY.md, "Explored exhaustively".
//!
//! Run it optimised: `tools/search --test explorer`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it tried"
)]

mod canonical;
mod closing;
mod core;
mod end;
mod mutants;
mod scenarios;
mod search;
mod shell;
mod state;
mod world;
