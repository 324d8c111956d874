//! Between which times anything the guard hears of can have happened.
//!
//! Whatever comes from outside is held to them, so that the protocol's sums of times can't leave the calendar of `jiff` (that
//! would be a panic).

use jiff::Timestamp;

/// Azure is younger: nothing happened earlier.
pub const EARLIEST: Timestamp = Timestamp::UNIX_EPOCH;
/// 9000-01-01T00:00:00Z, a millennium before the calendar ends.
pub const LATEST: Timestamp = Timestamp::constant(221_845_392_000, 0);
