use super::*;
use crate::case::{Held, Outcome, Record};

fn told() -> StoredCase {
    let record = Record::decode(include_bytes!("../../../../tests/records/v1_told.json")).unwrap();
    StoredCase { case: record.case().unwrap().clone(), cluster: Some(record.cluster) }
}

fn now() -> Timestamp {
    "2026-09-14T18:15:10Z".parse().unwrap()
}

fn lines(cases: &[StoredCase], wide: bool) -> String {
    let rows = cases.iter().map(|case| row(&Summary::of(case), wide, now(), false));
    let all: String = std::iter::once(head(wide)).chain(rows).collect();
    // Snapshots have no blanks at the ends of lines.
    all.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn variants() -> Vec<StoredCase> {
    let mut held = told();
    held.case.held = Some(Held::NotPermitted { policies: vec!["restart-budget".to_owned()] });
    let mut restored = told();
    restored.case.outcome = Some(Outcome::Restored);
    restored.case.held = Some(Held::AttemptsUsed);
    let mut nobody = told();
    nobody.cluster = None;
    nobody.case.intent = None;
    for stop in &mut nobody.case.stops {
        stop.caller = Caller::unknown();
    }
    vec![told(), held, restored, nobody]
}

#[test]
fn a_row_says_which_cluster_where_it_stands_and_who_did_it() {
    insta::assert_snapshot!(lines(&variants(), false), @"
    CASE                                         CLUSTER                   STATE            CALLER                            AGE
    183dfd2ce3e81077fefbe09205c4ed44-1789408810  aks-prod-01               restarting       mallory@contoso.com               15m
    183dfd2ce3e81077fefbe09205c4ed44-1789408810  aks-prod-01               held             mallory@contoso.com               15m
    183dfd2ce3e81077fefbe09205c4ed44-1789408810  aks-prod-01               restored         mallory@contoso.com               15m
    183dfd2ce3e81077fefbe09205c4ed44-1789408810  -                         open             unknown                           15m
    ");
}

#[test]
fn a_wide_row_says_where_the_cluster_is_and_what_is_waited_for() {
    insta::assert_snapshot!(lines(&variants(), true), @"
    CASE                                         CLUSTER                   GROUP                     SUBSCRIPTION                          STATE            VERDICT       STARTS  CALLER                            STOPPED                  WAITS FOR                                         AGE
    183dfd2ce3e81077fefbe09205c4ed44-1789408810  aks-prod-01               rg-prod                   aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  restarting       unauthorised  1       mallory@contoso.com               2026-09-14 18:00:00 UTC  -                                                 15m
    183dfd2ce3e81077fefbe09205c4ed44-1789408810  aks-prod-01               rg-prod                   aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  held             unauthorised  1       mallory@contoso.com               2026-09-14 18:00:00 UTC  policy restart-budget forbids a restart           15m
    183dfd2ce3e81077fefbe09205c4ed44-1789408810  aks-prod-01               rg-prod                   aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  restored         unauthorised  1       mallory@contoso.com               2026-09-14 18:00:00 UTC  -                                                 15m
    183dfd2ce3e81077fefbe09205c4ed44-1789408810  -                         -                         -                                     open             unauthorised  1       unknown                           2026-09-14 18:00:00 UTC  -                                                 15m
    ");
}

#[test]
fn rows_line_up_under_the_head_whatever_is_read_next() {
    for wide in [false, true] {
        let head = head(wide);
        for column in ["CLUSTER", "STATE", "CALLER", "AGE"] {
            let at = head.find(column).unwrap();
            for case in variants() {
                let row = row(&Summary::of(&case), wide, now(), false);
                let before: String = row.chars().take(at).collect();
                assert!(before.ends_with("  "), "{column}: {row}");
            }
        }
    }
}

#[test]
fn a_hostile_name_neither_colours_nor_breaks_a_row() {
    let mut case = told();
    for stop in &mut case.case.stops {
        stop.caller.upn = Some(format!("\u{1b}[2Jroot\n{}\u{202e}", "x".repeat(500)));
    }
    let row = row(&Summary::of(&case), false, now(), false);
    assert_eq!(row.matches('\n').count(), 1);
    assert!(!row.contains(['\u{1b}', '\u{202e}']), "{row:?}");
    assert!(row.chars().count() < 140, "{row}");
}

#[test]
fn colours_are_there_only_where_they_are_seen() {
    let row = |colour| row(&Summary::of(&told()), false, now(), colour);
    assert!(!row(false).contains('\u{1b}'));
    assert!(row(true).contains("\u{1b}[33mrestarting     \u{1b}[0m"), "{:?}", row(true));
}
