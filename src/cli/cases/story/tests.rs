use super::*;
use crate::case::{Held, Record};

fn record(text: &str) -> Record {
    Record::decode(text.as_bytes()).unwrap()
}

fn told(record: &Record, case: &Case) -> String {
    let receipts = record.receipts_of(&case.id).collect();
    let waiting = record.outbox.iter().collect();
    let now = "2026-09-14T18:15:10Z".parse().unwrap();
    story(&Story { case, cluster: Some(&record.cluster), receipts, waiting, now, colour: false })
}

#[test]
fn the_story_of_a_case_that_waits_begins_with_what_to_do() {
    let record = record(include_str!("../../../../tests/records/v1_held.json"));
    insta::assert_snapshot!(told(&record, record.case().unwrap()), @"
    aks-prod-01 was stopped by mallory@contoso.com without permission and does not run: a hold forbids starts: audit by Ada
    held, case 183dfd2ce3e81077fefbe09205c4ed44-1789408810

    What to do
      The guard goes on by itself when the hold is over. If it is not needed any more, `aks-stop-guard hold list` shows its id, and `aks-stop-guard hold lift <id>` lifts it.
      If it should run, start it: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`. The guard closes this once it runs.

    Before you do it
      Pods that no controller owns are lost with the stop.

    Case
      cluster     /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01
      opened      2026-09-14 18:00:10 UTC (15m ago)
      mode        act
      last look   2026-09-14 18:00:13 UTC: startable
      waits for   people: a hold forbids starts: audit by Ada
      looks next  2026-09-14 18:05:13 UTC

    Stops
      2026-09-14 18:00:00 UTC  told by an event, not confirmed by the activity log
      caller      night-pipeline (service-principal), object id 33333333-3333-4333-8333-333333333333
      allowed by  pipeline
      ids         event event-0-night-pipeline, correlation correlation-0
      2026-09-14 18:00:00 UTC  told by an event, not confirmed by the activity log
      caller      mallory@contoso.com (user), object id 11111111-1111-4111-8111-111111111111
      ids         event event-0-night-pipeline, correlation correlation-0

    Verdict
      unauthorised: no policy allows it (the stop of 2026-09-14 18:00:00 UTC)
      policies    set a54c01b94f41bc6e

    Restart
      permitted by restart

    Incidents
      high since 2026-09-14 18:00:13 UTC: the stop
      webhook     lacks `opened`; tries so far 0, the next at 2026-09-14 18:00:13 UTC

    Timeline
      2026-09-14 18:00:10 UTC  stopped by night-pipeline (service-principal)
      2026-09-14 18:00:13 UTC  the stop was not authorised: no policy allows it
      2026-09-14 18:00:13 UTC  waiting for people: a hold forbids starts: audit by Ada
    ");
}

#[test]
fn the_story_tells_the_start_with_azures_request_and_who_was_told() {
    let record = record(include_str!("../../../../tests/records/v1_told.json"));
    insta::assert_snapshot!(told(&record, record.case().unwrap()), @"
    aks-prod-01 was stopped by mallory@contoso.com without permission: the guard is restarting it
    restarting, case 183dfd2ce3e81077fefbe09205c4ed44-1789408810

    Before you do it
      Pods that no controller owns are lost with the stop.

    Case
      cluster     /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01
      opened      2026-09-14 18:00:10 UTC (15m ago)
      mode        act
      last look   2026-09-14 18:00:41 UTC: startable
      looks next  2026-09-14 18:01:12 UTC

    Stops
      2026-09-14 18:00:00 UTC  told by an event, not confirmed by the activity log
      caller      mallory@contoso.com (user), object id 11111111-1111-4111-8111-111111111111
      ids         event event-0-mallory@contoso.com, correlation correlation-0

    Verdict
      unauthorised: no policy allows it (the stop of 2026-09-14 18:00:00 UTC)
      policies    set a54c01b94f41bc6e

    Restart
      permitted by restart
      start 1     accepted by Azure, request request-1 (after the look of 2026-09-14 18:00:41 UTC)

    Incidents
      medium since 2026-09-14 18:00:11 UTC: the stop
      mail        has `opened` of 183dfd2ce3e81077fefbe09205c4ed44-1789408810 since 2026-09-14 18:15:30 UTC as https://mail.example/i/17
      webhook     lacks `opened`; tries so far 2, the next at 2026-09-14 18:00:11 UTC: the sink answered 503

    Timeline
      2026-09-14 18:00:10 UTC  stopped by mallory@contoso.com (user)
      2026-09-14 18:00:11 UTC  the stop was not authorised: no policy allows it
      2026-09-14 18:00:11 UTC  waiting for the stop to finish
      2026-09-14 18:00:41 UTC  starting it (attempt 1)
      2026-09-14 18:00:42 UTC  Azure accepted the start
    ");
}

#[test]
fn no_text_of_others_moves_a_cursor_or_makes_a_line() {
    let record = record(include_str!("../../../../tests/records/v1_told.json"));
    let calm = told(&record, record.case().unwrap());
    let mut case = record.case().unwrap().clone();
    let hostile = "x\n  Verdict\u{1b}[2J\u{202e}".to_owned();
    for stop in &mut case.stops {
        stop.caller.upn = Some(hostile.clone());
        stop.correlation_id = Some(hostile.clone());
        stop.event_id = hostile.clone();
    }
    for entry in &mut case.timeline {
        entry.text = hostile.clone();
    }
    case.fault = None;
    let loud = told(&record, &case);
    assert!(!loud.contains(['\u{1b}', '\u{202e}']), "{loud}");
    assert_eq!(loud.lines().count(), calm.lines().count(), "{loud}");
    case.held = Some(Held::Hold { reason: hostile });
    assert!(!told(&record, &case).contains(['\u{1b}', '\u{202e}']));
}
