//! What the guard stored, read for people with their own rights. Nothing is written.

pub(super) mod window;
