//! The main loop: a stop event becomes a restart, or is left alone.

use simulator::host::log::Level;
use simulator::world::{Caller, EventMoment, EventRule, Happening, RequestKind};

use crate::theatre::{EDGE, RETAIL, Theatre, least_privilege, pipeline};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unauthorised_stop_is_restarted_in_both_schemas_and_an_authorised_one_is_left_alone() {
    let theatre = Theatre::set("e2e-restarts").await;
    let by_event_grid = theatre.cluster(RETAIL, "aks-shop");
    let by_cloud_events = theatre.cluster(EDGE, "aks-edge");
    let allowed = theatre.cluster(RETAIL, "aks-batch");
    theatre.stop(&by_event_grid, &Caller::user("bob"));
    theatre.stop(&by_cloud_events, &Caller::guest("eve"));
    theatre.stop(&allowed, &pipeline());
    theatre.until_restored(&[by_event_grid.clone(), by_cloud_events.clone()]).await;

    for cluster in [&by_event_grid, &by_cloud_events] {
        let incidents = theatre.incidents_of(cluster);
        assert_eq!(incidents.len(), 1, "{incidents:#?}");
        assert_eq!(incidents[0].states, ["opened", "resolved"], "{cluster}");
    }
    assert!(!theatre.is_running(&allowed));
    assert_eq!(theatre.starts(&allowed), 0);
    assert_eq!(theatre.incidents_of(&allowed), []);
    assert_eq!(theatre.requests(), least_privilege());
    let errors = theatre.stage.host().unwrap().log().entries();
    let errors: Vec<_> = errors.into_iter().filter(|entry| entry.level == Level::Fail).collect();
    assert_eq!(errors, []);
    theatre.curtain();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_event_began_while_the_cluster_was_stopping_the_timer_finishes() {
    let theatre = Theatre::set("e2e-sweep").await;
    let cluster = theatre.cluster(RETAIL, "aks-pay");
    {
        let mut world = theatre.stage.azure.world();
        world.next_event(EventRule { moment: EventMoment::Acceptance, ..EventRule::default() });
        // Longer than an invocation waits for its work, so that the event's own can't finish it.
        world.cluster_mut(&cluster).unwrap().durations.stop = jiff::SignedDuration::from_mins(5);
    }
    theatre.stop(&cluster, &Caller::user("carol"));
    theatre.until_restored(std::slice::from_ref(&cluster)).await;

    let world = theatre.stage.azure.world();
    let events = world.journal().entries.iter().filter(|entry| entry.cluster.as_ref() == Some(&cluster));
    let asked: Vec<_> = events
        .filter(|entry| {
            matches!(
                entry.what,
                Happening::Succeeded(_) | Happening::Request { kind: RequestKind::Start, .. }
            )
        })
        .map(|entry| format!("{:?}", entry.what))
        .collect();
    drop(world);
    assert_eq!(
        asked,
        ["Succeeded(Stop)", "Request { kind: Start, result: Status(202) }", "Succeeded(Start)"]
    );
    // One delivery for the stop and one for the guard's own start: no redelivery did the timer's work.
    assert_eq!(theatre.stage.attempts().len(), 2);
    theatre.curtain();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_restarted_and_then_stopped_with_permission_stays_stopped_even_if_the_old_event_comes_again()
 {
    let theatre = Theatre::set("e2e-permitted-later").await;
    let cluster = theatre.cluster(RETAIL, "aks-dev");
    theatre.stop(&cluster, &Caller::user("erin"));
    theatre.until_restored(std::slice::from_ref(&cluster)).await;
    theatre.stop(&cluster, &pipeline());
    let event = theatre.stage.repeat_first_stop(&cluster).unwrap();
    theatre.until("the old event was taken again", |it| it.stage.times_taken(&event) == 2).await;
    // Stop, start, stop again, and the repeated one.
    theatre.until("all events were taken", |it| it.stage.attempts().len() == 4).await;
    theatre.until_open_cases_are(0).await;
    assert!(!theatre.is_running(&cluster));
    assert_eq!(theatre.starts(&cluster), 1);
    assert_eq!(theatre.incidents().len(), 1);
    theatre.curtain();
}
