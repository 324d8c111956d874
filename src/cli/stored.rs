//! What the guard stored, read for people with their own rights. Nothing is written.

pub(super) mod by_id;
pub(super) mod evidence;
pub(super) mod read;
#[cfg(test)]
pub(super) mod troubled;
pub(super) mod walk;
pub(super) mod window;
