//! Findings for a person: a line each, and the mend below what is not well.

use std::fmt::Write as _;

use super::{Finding, Standing};
use crate::domain::text;

/// Longest line, in characters. Commands hold ids of resources, which have up to about 300.
const LINE_CHARS_MAX: usize = 1_000;

/// All findings, in their order.
pub fn table(findings: &[Finding], colour: bool) -> String {
    let width = |of: fn(&Finding) -> &str| findings.iter().map(|found| of(found).chars().count()).max();
    let checks = width(|found| found.check).unwrap_or_default();
    let abouts = width(|found| &found.about).unwrap_or_default();
    let mut told = String::new();
    for found in findings {
        let standing = painted(found.standing, colour);
        let line = format!("{:checks$}  {:abouts$}  {}", found.check, found.about, found.seen);
        // Writing to a String can't fail.
        let _ = writeln!(told, "{standing}  {}", text::clean(&line, LINE_CHARS_MAX));
        for command in &found.mend {
            let _ =
                writeln!(told, "{:7}  {:checks$}  mend: {}", "", "", text::clean(command, LINE_CHARS_MAX));
        }
    }
    let _ = writeln!(told, "\n{}", summary(findings));
    told
}

/// `1 fault, 2 warnings, 1 unknown, 9 ok`.
pub fn summary(findings: &[Finding]) -> String {
    let count = |standing| findings.iter().filter(|found| found.standing == standing).count();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let (faults, warnings) = (count(Standing::Fault), count(Standing::Warning));
    let (unknown, ok) = (count(Standing::Unknown), count(Standing::Ok));
    format!(
        "{faults} fault{}, {warnings} warning{}, {unknown} unknown, {ok} ok",
        plural(faults),
        plural(warnings)
    )
}

fn painted(standing: Standing, colour: bool) -> String {
    let word = format!("{:7}", standing.as_str());
    let code = match standing {
        Standing::Ok => "32",
        Standing::Unknown => "36",
        Standing::Warning => "33",
        Standing::Fault => "31",
    };
    text::painted(code, &word, colour)
}
