use proptest::prelude::*;

use super::*;

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

fn key() -> ClusterKey {
    ClusterKey::parse(&"0f".repeat(16)).unwrap()
}

fn marker() -> OpenMarker {
    OpenMarker { key: key(), generation: 1_795_557_600 }
}

fn listed(path: &str) -> StatePath {
    StatePath::from_listing(Path::from(path))
}

#[test]
fn paths_are_those_of_the_protocol() {
    let at: Timestamp = "2026-11-24T22:59:59.9Z".parse().unwrap();
    let subscription = SubscriptionId::parse(SUBSCRIPTION).unwrap();
    let name = PathName::parse("a-1").unwrap();
    let case = CasePath::new(&marker(), at);
    let all = [
        StatePath::cluster(&key()).to_string(),
        StatePath::open_marker(&marker()).to_string(),
        StatePath::stop_mark(&subscription, StopHour::of(at), &name).to_string(),
        StatePath::bulletin(&name).to_string(),
        StatePath::dead_letter(&PathName::parse("storm-1").unwrap(), &name).to_string(),
        StatePath::entry(&name).to_string(),
        StatePath::bulletin_marker(&name, 7).to_string(),
        StatePath::discovery().to_string(),
        StatePath::management_groups().to_string(),
        StatePath::baseline(&subscription).to_string(),
        StatePath::heartbeat().to_string(),
        StatePath::hold(&name).to_string(),
        StatePath::ended_hold(&name).to_string(),
        StatePath::grant(&PathName::parse("c-1").unwrap(), &name).to_string(),
        StatePath::aside(&key(), b"{").to_string(),
        case.to_string(),
        case.conflict(1).to_string(),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
    clusters/0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f.json
    open/0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f/1795557600
    stops/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/2026-11-24T22/a-1
    bulletins/a-1.json
    dead-letters/storm-1/a-1.json
    open/0-entries/a-1.json
    open/0-bulletins/a-1/7
    discovery.json
    management-groups.json
    baselines/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e.json
    heartbeat.json
    open/0-holds/a-1.json
    holds-ended/a-1.json
    grants/c-1/a-1.json
    aside/0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f/021fb596db81e6d02bf3d2586ee3981f.json
    2026/11/24/0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f-1795557600.json
    2026/11/24/0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f-1795557600.conflict-1.json
    ");
}

#[test]
fn a_closed_case_is_read_back_from_its_path_and_nothing_else_is_one() {
    let at: Timestamp = "2026-02-28T22:59:59.9Z".parse().unwrap();
    let case = CasePath::new(&marker(), at);
    for path in [case.clone(), case.conflict(3)] {
        let read = CasePath::from_listing(&path.as_path());
        assert_eq!(read.as_ref(), Some(&path));
        assert_eq!(read.and_then(|path| path.cluster_key()), Some(key()));
        assert!(path.to_string().starts_with(&format!("{}/", CaseDay::of(at))));
    }
    assert_eq!(CaseDay::of(at).next().map(|day| day.to_string()).as_deref(), Some("2026/03/01"));
    for junk in ["2026/02/28/notes.json", "2026/02/28/x-1.json", "case.json", "2026/02/28/0f-1.txt"] {
        assert_eq!(CasePath::from_listing(&Path::from(junk)), None, "{junk}");
    }
}

#[test]
fn a_marker_and_a_record_are_read_back_from_their_paths() {
    assert_eq!(StatePath::open_marker(&marker()).as_open_marker(), Some(marker()));
    assert_eq!(StatePath::cluster(&key()).as_cluster(), Some(key()));
    let name = PathName::parse("storm-1").unwrap();
    assert_eq!(StatePath::bulletin_marker(&name, 7).as_bulletin_marker(), Some((name.clone(), 7)));
    assert_eq!(StatePath::entry(&name).as_entry(), Some(name));
}

#[test]
fn markers_of_bulletins_and_entries_come_before_those_of_cases_and_are_none() {
    let name = PathName::parse("storm-1").unwrap();
    let first_key = ClusterKey::parse(&"0".repeat(32)).unwrap();
    let first = StatePath::open_marker(&OpenMarker { key: first_key, generation: 1 });
    for path in [StatePath::bulletin_marker(&name, 7), StatePath::entry(&name)] {
        assert!(path.to_string() < first.to_string());
        assert_eq!(path.as_open_marker(), None);
    }
    for junk in ["open/0-bulletins/storm-1", "open/0-bulletins/storm-1/07", "open/0-bulletins/x/1/2"] {
        assert_eq!(listed(junk).as_bulletin_marker(), None, "{junk}");
    }
    assert_eq!(StatePath::bulletin_marker(&name, 7).as_entry(), None);
}

#[test]
fn junk_among_the_markers_and_records_is_nobodys() {
    let key = key();
    for junk in [
        "open".to_owned(),
        "open/x".to_owned(),
        format!("open/{key}"),
        format!("open/{key}/"),
        format!("open/{key}/+1"),
        format!("open/{key}/01"),
        format!("open/{key}/-1"),
        format!("open/{key}/1/2"),
        format!("open/{key}/99999999999999999999999"),
        format!("open/{}/1", key.as_str().to_uppercase()),
        format!("clusters/{key}/1"),
    ] {
        assert_eq!(listed(&junk).as_open_marker(), None, "{junk}");
        assert_eq!(listed(&junk).as_cluster(), None, "{junk}");
    }
}

#[test]
fn an_hour_before_midnight_lies_in_the_day_before() {
    let midnight = StopHour::of("2026-03-01T00:10:00Z".parse().unwrap());
    assert_eq!(midnight.previous().to_string(), "2026-02-28T23");
}

#[test]
fn a_stop_before_the_year_zero_still_has_a_plain_folder() {
    let hour = StopHour::of(Timestamp::MIN).to_string();
    assert!(hour.bytes().all(|b| b == b'-' || b.is_ascii_digit()), "{hour}");
}

#[test]
fn the_same_damaged_bytes_have_one_copy_and_others_another() {
    assert_eq!(StatePath::aside(&key(), b"{"), StatePath::aside(&key(), b"{"));
    assert_ne!(StatePath::aside(&key(), b"{"), StatePath::aside(&key(), b"["));
}

proptest! {
    #[test]
    fn a_name_never_leaves_its_folder(text in "\\PC{0,140}") {
        if let Some(name) = PathName::parse(&text) {
            let path = StatePath::bulletin(&name);
            prop_assert_eq!(path.as_path().parts().count(), 2);
            prop_assert_eq!(path.to_string(), format!("bulletins/{text}.json"));
        }
    }

    #[test]
    fn no_listed_path_makes_the_reader_panic(text in "(open/|clusters/)?[0-9a-f/+.-]{0,60}") {
        let _ = (listed(&text).as_open_marker(), listed(&text).as_cluster(), listed(&text).name());
    }

    #[test]
    fn every_marker_is_read_back(key in "[0-9a-f]{32}", generation: u64) {
        let marker = OpenMarker { key: ClusterKey::parse(&key).unwrap(), generation };
        prop_assert_eq!(StatePath::open_marker(&marker).as_open_marker(), Some(marker));
    }
}

#[test]
fn evidence_is_named_by_the_digest_of_its_words_in_a_folder_of_its_case() {
    let digest = "0a".repeat(32);
    let path = ExhibitPath::new(&marker(), &digest).unwrap();
    assert_eq!(path.to_string(), format!("evidence/{}-1795557600/{digest}", "0f".repeat(16)));
    assert_eq!(CasePath::from_listing(path.as_path()), None, "no list of cases has it");
    for odd in ["", "0a", &"0A".repeat(32), &"../".repeat(22), &"0a".repeat(33)] {
        assert_eq!(ExhibitPath::new(&marker(), odd), None, "{odd}");
    }
}
