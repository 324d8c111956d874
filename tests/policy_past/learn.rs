use aks_stop_guard::policy::{Policies, PolicyFile};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use simulator::http::{Azure, now};
use simulator::sink::Receiver;
use simulator::world::{
    AssignedIdentity, Caller, ClusterId, Fault, FaultRule, NewCluster, RequestKind, Settings,
};

use crate::{Done, SUBSCRIPTION, run, timeless};

/// Four weeks, so that each day of the week is as frequent as the others.
const DAYS: i64 = 28;

/// A simulated Azure whose log knows the last four weeks.
struct Past {
    azure: Azure,
}

impl Past {
    async fn new() -> Self {
        let settings = Settings { log_page_size: 50, ..Settings::default() };
        let azure = Azure::serve(settings, Receiver::default(), 0).await.unwrap();
        let reader = Caller::system_identity("reader", "/subscriptions/x/reader");
        azure.world().assign_identity(AssignedIdentity { caller: reader, user_assigned: false });
        Self { azure }
    }

    /// A pipeline stops two clusters each evening and starts them in the morning. On the second Friday Dana stops one, to mend it,
    /// and starts it again; and Mallory stops production, and the pipeline starts it at once.
    async fn lived() -> Self {
        let past = Self::new().await;
        let today = now().as_second() / 86_400 * 86_400;
        let midnight = Timestamp::from_second(today).unwrap() - SignedDuration::from_hours(24 * (DAYS + 1));
        let [a, b, prod] = [("rg-dev", "a"), ("rg-dev", "b"), ("rg-prod", "main")]
            .map(|(group, name)| ClusterId::new(SUBSCRIPTION, group, name));
        let pipeline = Caller { ip: "198.51.100.7".to_owned(), ..Caller::service_principal("nightly") };
        let (dana, mallory) = (Caller::user("dana"), Caller::user("mallory"));
        {
            let mut world = past.azure.world();
            for id in [&a, &b, &prod] {
                world.create_cluster(NewCluster::new(id.clone()), midnight).unwrap();
            }
            for day in 0..DAYS {
                let at = |minutes: i64| midnight + SignedDuration::from_mins(day * 1_440 + minutes);
                let is_friday = at(0).to_zoned(TimeZone::UTC).weekday() == Weekday::Friday;
                if is_friday && day / 7 == 1 {
                    world.stop(&a, &dana, at(11 * 60)).unwrap();
                    world.start(&a, &dana, at(14 * 60)).unwrap();
                    world.stop(&prod, &mallory, at(15 * 60)).unwrap();
                    world.start(&prod, &pipeline, at(15 * 60 + 4)).unwrap();
                }
                for id in [&a, &b] {
                    world.stop(id, &pipeline, at(18 * 60)).unwrap();
                }
                for id in [&a, &b] {
                    world.start(id, &pipeline, at(29 * 60)).unwrap();
                }
            }
        }
        past
    }

    async fn run(&self, arguments: &[&str]) -> Done {
        let settings = self.azure.asked_by();
        let environment = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        run(&[&["policy"], arguments].concat(), &environment).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_read_who_stops_what_and_get_drafts_no_broader_than_that() {
    let past = Past::lived().await;
    let done = past.run(&["learn", "--since", "30d", "--scope", SUBSCRIPTION]).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    insta::assert_snapshot!(timeless(&done.out), @r#"
    58 stops of 3 clusters by 3 callers, from <time> to <time>; hours and days in UTC

    service-principal ffdfc4df-fb1a-4ca5-1dc7-4fd77934aa82
      stops     56 stops on 28 days, first <time>, last <time>
      clusters  a in rg-dev (28), b in rg-dev (28)
      hour         0   1   2   3   4   5   6   7   8   9  10  11  12  13  14  15  16  17  18  19  20  21  22  23
                   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .  56   .   .   .   .   .
      weekday    Mon Tue Wed Thu Fri Sat Sun
                   8   8   8   8   8   8   8
      from      198.51.100.7 (56)
      role      Contributor (56)
      ended     56 of 56 started again after 11 h 0 min, by ffdfc4df-fb1a-4ca5-1dc7-4fd77934aa82 (56)

    dana@contoso.com (user 315a6f33-d44f-4596-d6f4-6009f1834a16)
      stops     1 stop on 1 day, first <time>, last <time>
      clusters  a in rg-dev (1)
      hour         0   1   2   3   4   5   6   7   8   9  10  11  12  13  14  15  16  17  18  19  20  21  22  23
                   .   .   .   .   .   .   .   .   .   .   .   1   .   .   .   .   .   .   .   .   .   .   .   .
      weekday    Mon Tue Wed Thu Fri Sat Sun
                   .   .   .   .   1   .   .
      from      203.0.113.24 (1)
      role      Contributor (1)
      ended     1 of 1 started again after 3 h 0 min, by dana@contoso.com (1)

    mallory@contoso.com (user e65f327f-9556-45f8-fdbb-a47c646d35ac)
      stops     1 stop on 1 day, first <time>, last <time>
      clusters  main in rg-prod (1)
      hour         0   1   2   3   4   5   6   7   8   9  10  11  12  13  14  15  16  17  18  19  20  21  22  23
                   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   1   .   .   .   .   .   .   .   .
      weekday    Mon Tue Wed Thu Fri Sat Sun
                   .   .   .   .   1   .   .
      from      203.0.113.24 (1)
      role      Contributor (1)
      ended     1 of 1 started again after 4 min, by ffdfc4df-fb1a-4ca5-1dc7-4fd77934aa82 (1); 1 by others within an hour

    not proposed
      dana@contoso.com (user 315a6f33-d44f-4596-d6f4-6009f1834a16): 1 stop, first <time>: seen once
      mallory@contoso.com (user e65f327f-9556-45f8-fdbb-a47c646d35ac): 1 stop, first <time>: somebody else started the cluster again within an hour: it looks unwanted

    draft policies: 1 (--out DIR writes them and their tests to files)

    // Drafts, learned from the activity log. They say what was done, not what anybody decided should be allowed: read each, throw
    // away what you would not allow, and only then put the rest beside your policies.

    // caller    ffdfc4df-fb1a-4ca5-1dc7-4fd77934aa82 (service-principal)
    // seen      56 stops on 28 days, first <time>, last <time>
    // hours     18h 56 (UTC)
    // clusters  a in rg-dev 28, b in rg-dev 28
    // from      198.51.100.7 56
    // role      Contributor 56
    // ended     56 of 56 started again, by ffdfc4df-fb1a-4ca5-1dc7-4fd77934aa82 56
    @id("learned-ffdfc4df-fb1a-4ca5-1dc7-4fd77934aa82-18-19")
    permit (
      principal == Caller::"ffdfc4df-fb1a-4ca5-1dc7-4fd77934aa82",
      action == Action::"stop",
      resource
    )
    when { context.utc.hour >= 18 && context.utc.hour < 19 }
    when { resource == ManagedCluster::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-dev/providers/microsoft.containerservice/managedclusters/a" ||
      resource == ManagedCluster::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-dev/providers/microsoft.containerservice/managedclusters/b" };
    "#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drafts_are_written_once_load_and_say_their_zone() {
    let past = Past::lived().await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("drafts").display().to_string();
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/RG-DEV");
    let arguments =
        ["learn", "--scope", &group, SUBSCRIPTION, "--zone", "Asia/Tokyo", "--out", &out, "-o", "json"];
    let done = past.run(&arguments).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    let told: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(told["stops"], 58, "what is in two scopes counts once");
    assert_eq!(told["drafts"].as_array().unwrap().len(), 1);
    let written = |name: &str| std::fs::read_to_string(folder.path().join("drafts").join(name)).unwrap();
    assert_eq!(told["policies"], written("learned.cedar"));
    assert_eq!(told["tests"], written("learned.yaml"));
    assert!(written("learned.cedar").contains("// needs     STOP_GUARD_TIMEZONE=Asia/Tokyo\n"));
    let loaded = Policies::load(&[PolicyFile { name: "learned.cedar", text: &written("learned.cedar") }]);
    assert_eq!(loaded.unwrap().len(), 1);

    // The drafts' own tests hold, for the policies that come with them.
    let tests = format!("{out}/learned.yaml");
    let tested = past.run(&["test", "--policies", &out, &tests]).await;
    assert_eq!((tested.code, tested.err.as_str()), (0, ""), "{}", tested.out);

    let again = past.run(&arguments).await;
    assert_eq!((again.code, again.out.as_str()), (1, ""));
    assert!(again.err.contains("is there already"), "{}", again.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_history_is_told_as_such() {
    let past = Past::new().await;
    let idle = NewCluster::new(ClusterId::new(SUBSCRIPTION, "rg", "idle"));
    past.azure.world().create_cluster(idle, now()).unwrap();
    let done = past.run(&["learn", "--scope", SUBSCRIPTION]).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    insta::assert_snapshot!(timeless(&done.out), @r"
    0 stops of 0 clusters by 0 callers, from <time> to <time>; hours and days in UTC

    no draft policies: nothing was seen often enough
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_read_the_log_is_told_which_right_is_missing() {
    let past = Past::new().await;
    let rule = FaultRule {
        fault: Fault::Denied,
        on: Some(RequestKind::ListActivityLog),
        cluster: None,
        times: None,
    };
    past.azure.world().add_fault(rule);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display().to_string();
    let done = past.run(&["learn", "--scope", SUBSCRIPTION, "--out", &out]).await;
    assert_eq!((done.code, done.out.as_str(), done.err.lines().count()), (1, "", 1));
    let told = "your identity needs `Microsoft.Insights/eventtypes/values/read` there";
    assert!(done.err.contains(told), "{}", done.err);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no empty file is left behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_there_are_cases_a_change_is_compared_over_the_log() {
    let past = Past::lived().await;
    let folder = tempfile::tempdir().unwrap();
    let pipeline = Caller::service_principal("nightly").object_id;
    let policy = format!(
        "@id(\"nightly\")\npermit (principal == Caller::\"{pipeline}\", action == Action::\"stop\", resource);\n"
    );
    std::fs::write(folder.path().join("nightly.cedar"), policy).unwrap();
    let changed = folder.path().display().to_string();
    let log = ["replay", "--from", "log", "--scope", SUBSCRIPTION, "--policies", &changed];

    let alone = past.run(&log).await;
    assert_eq!((alone.code, alone.err.as_str()), (0, ""), "nothing was decided, so nothing differs");
    let compared = past.run(&[&log[..], &["--baseline", "policies", "-o", "json"]].concat()).await;
    assert_eq!((compared.code, compared.err.as_str()), (7, ""));
    let told: Value = serde_json::from_str(&compared.out).unwrap();
    assert_eq!((&told["different"], &told["source"]), (&Value::from(58), &Value::from("log")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_and_settings_that_make_no_sense_are_told_before_azure_is_asked() {
    let past = Past::new().await;
    for arguments in [
        &["learn"][..],
        &["learn", "--scope", "x"],
        &["learn", "--scope", SUBSCRIPTION, "--since", "3w"],
        &["learn", "--scope", SUBSCRIPTION, "--zone", "Berlin"],
        &["replay", "--from", "memory"],
    ] {
        let done = past.run(arguments).await;
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{arguments:?}");
    }
    for arguments in [&["replay"][..], &["replay", "--from", "log"]] {
        let done = past.run(arguments).await;
        assert_eq!((done.code, done.out.as_str()), (3, ""), "{arguments:?}");
        assert!(done.err.starts_with("error: STOP_GUARD_S"), "{}", done.err);
    }
}
